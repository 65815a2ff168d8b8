/* Markdown as a model writes it, for the stream bench: paragraphs, lists, tables, code, without end. Not prose to read. */

const SECTION = `### Part N: what the engine does between two tokens

A step of **decode** reads every weight once, so its speed is the memory's. The *KV cache* grows by one row for each
layer, and \`sampling\` picks one token out of the vocabulary; see [the notes](https://example.com/notes).

1. Multiply the hidden state with the weights of each layer.
2. Attend over all rows of the cache:
   - the keys first,
   - then the values.
3. Sample, detokenize, send.

| Step | Reads | Milliseconds |
|---|---:|---:|
| attention | 1.2 GiB | 4.1 |
| feed-forward | 3.4 GiB | 11.6 |
| sampling | 0.1 GiB | 0.3 |

\`\`\`rust
/// One step: the state goes in, a token comes out.
fn step(&mut self, token: u32) -> Result<u32, Error> {
    let hidden = self.layers.iter().try_fold(self.embed(token), |state, layer| layer.forward(state))?;
    let logits = self.head.forward(&hidden)?; // one row of the vocabulary
    Ok(self.sampler.pick(&logits, 0.7, "top-p"))
}
\`\`\`

> What is measured once is known; what is measured twice is believed.

`;

/** `tokens` pieces of about four characters, as a tokenizer would cut them. */
export function pieces(tokens: number): string[] {
  let text = "";
  for (let part = 1; text.length < tokens * 4; part++) text += SECTION.replace("N", String(part));
  return Array.from({ length: tokens }, (_, index) => text.slice(index * 4, index * 4 + 4));
}
