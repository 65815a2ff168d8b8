//! A step on the device: tokens of several sequences through all layers, and the logits that are wanted.

use super::room::{Room, room_for_quants};
use super::weights::{Attention, Dense, Layer, Linear, Norm};
use super::{Decoder, upload_numbers};
use crate::decoder::description::RopeStyle;
use crate::decoder::rope::Rope;
use crate::decoder::{Chunk, LogitsWanted};
use crate::gpu::attention::{Attending, Found, Placing, Rows, attend, place};
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::matrix::is_quantized;
use crate::gpu::rows::{self, Prepared};
use crate::kv::{Change, PAGE_TOKENS};

/// Where the rows of a step stand, on the device.
struct Places {
    count: usize,
    positions: Buffer,
    slots: Buffer,
    sequences: Buffer,
    pages: Buffer,
    table: usize,
    /// For each rotation: `[rows, dims / 2, 2]`.
    turns: Vec<(Buffer, usize, RopeStyle)>,
}

impl Places {
    fn new(device: &Device, ropes: &[Rope], chunks: &[Chunk]) -> Result<Self, DeviceError> {
        let table = chunks
            .iter()
            .map(|chunk| chunk.pages.len())
            .max()
            .unwrap_or(0);
        let (mut positions, mut slots, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
        let mut pages = Vec::new();
        for (sequence, chunk) in chunks.iter().enumerate() {
            for position in chunk.start..chunk.start + chunk.tokens.len() {
                let page = chunk.pages[position / PAGE_TOKENS].0 as usize;
                positions.push(position);
                slots.push(page * PAGE_TOKENS + position % PAGE_TOKENS);
                sequences.push(sequence);
            }
            let names = chunk.pages.iter().map(|page| page.0 as usize);
            pages.extend(names.chain(std::iter::repeat(0)).take(table));
        }
        let turns = ropes.iter().map(|rope| turns(device, rope, &positions));
        Ok(Self {
            count: positions.len(),
            turns: turns.collect::<Result<_, _>>()?,
            positions: upload_numbers(device, &positions)?,
            slots: upload_numbers(device, &slots)?,
            sequences: upload_numbers(device, &sequences)?,
            pages: upload_numbers(device, &pages)?,
            table,
        })
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            count: self.count,
            positions: &self.positions,
            slots: &self.slots,
            sequences: &self.sequences,
            pages: &self.pages,
            table: self.table,
        }
    }
}

fn turns(
    device: &Device,
    rope: &Rope,
    positions: &[usize],
) -> Result<(Buffer, usize, RopeStyle), DeviceError> {
    let (mut cosines, mut sines) = (Vec::new(), Vec::new());
    rope.turn(positions, &mut cosines, &mut sines);
    let both: Vec<f32> = cosines
        .iter()
        .zip(&sines)
        .flat_map(|(cosine, sine)| [*cosine, *sine])
        .collect();
    Ok((device.upload(&both)?, rope.dims, rope.style))
}

impl Decoder {
    /// Computes a step: does `changes`, writes the chunks' keys and values into their pages and returns the wanted rows of
    /// logits, `[rows, vocabulary]`, in the order of the chunks. The caller has proven the chunks.
    ///
    /// # Errors
    /// [`DeviceError`]; after [`DeviceError::Failed`] the device is of no more use.
    ///
    /// # Panics
    /// For a page that there is no room for.
    pub fn step(&mut self, changes: &[Change], chunks: &[Chunk]) -> Result<Vec<f32>, DeviceError> {
        self.queue(changes)?;
        let rows: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
        if rows == 0 {
            return Ok(Vec::new());
        }
        let known = |chunk: &Chunk| {
            chunk
                .pages
                .iter()
                .all(|page| (page.0 as usize) < self.page_count)
        };
        assert!(chunks.iter().all(known), "pages that were not asked for");
        let room = match self.room.take() {
            Some(room) if room.rows >= rows => room,
            _ => Room::new(&self.device, &self.description, rows)?,
        };
        let logits = self.compute(chunks, rows, &room);
        self.room = Some(room);
        logits
    }

    fn compute(&self, chunks: &[Chunk], rows: usize, room: &Room) -> Result<Vec<f32>, DeviceError> {
        let device = &self.device;
        let tokens: Vec<u32> = chunks
            .iter()
            .flat_map(|chunk| chunk.tokens)
            .copied()
            .collect();
        let tokens = device.upload(&tokens)?;
        self.embedding.embed(
            device,
            &tokens,
            rows,
            self.description.embedding_scale,
            &room.residual,
        )?;
        let places = Places::new(device, &self.ropes, chunks)?;
        let mut step = Step {
            device,
            room,
            shape: [rows, self.description.embedding],
            pending: None,
        };
        for (layer, pages) in self.layers.iter().zip(&self.pages) {
            step.norm(&layer.mixer_norm)?;
            step.attend(&layer.attention, pages, &places)?;
            step.give(layer, layer.mixer_post_norm.as_ref())?;
            step.norm(&layer.feed_forward_norm)?;
            step.feed(&layer.dense)?;
            step.give(layer, layer.feed_forward_post_norm.as_ref())?;
        }
        step.norm(&self.output_norm)?;
        self.logits(room, &wanted_rows(chunks))
    }

    /// The output matrix for the rows that are wanted, out of the normed stream.
    fn logits(&self, room: &Room, wanted: &[usize]) -> Result<Vec<f32>, DeviceError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (device, columns) = (&self.device, self.description.embedding);
        let ids = upload_numbers(device, wanted)?;
        let shape = [wanted.len(), columns];
        rows::take_rows(device, &room.normed, &ids, &room.given, shape)?;
        let input = prepare(device, &room.given, room, &[&self.output], shape)?;
        self.output.multiply(device, input, &room.logits)?;
        let mut bytes = vec![0; wanted.len() * self.description.vocabulary * 4];
        device.read(&room.logits, 0, &mut bytes)?;
        let cap = self.description.logit_softcap;
        let logit = |bytes: &[u8; 4]| {
            let logit = f32::from_le_bytes(*bytes) * self.description.logit_scale;
            cap.map_or(logit, |cap| cap * (logit / cap).tanh())
        };
        Ok(bytes.as_chunks().0.iter().map(logit).collect())
    }
}

/// Floats, and quants of them if one of the matrices is quantized.
fn prepare<'a>(
    device: &Device,
    floats: &'a Buffer,
    room: &'a Room,
    maps: &[&Linear],
    shape: [usize; 2],
) -> Result<Prepared<'a>, DeviceError> {
    let quants = room
        .quants
        .as_ref()
        .filter(|_| maps.iter().any(|map| is_quantized(map.matrix.kind())));
    if let Some(quants) = quants {
        rows::quantize(device, floats, quants, shape)?;
    }
    Ok(Prepared {
        floats: Some(floats),
        quants,
        count: shape[0],
        columns: shape[1],
    })
}

/// A step on its way through the layers.
struct Step<'a> {
    device: &'a Device,
    room: &'a Room,
    shape: [usize; 2],
    /// What the last part gave and has not been added yet: the next norm does, in the same launch.
    pending: Option<(&'a Buffer, f32)>,
}

impl<'a> Step<'a> {
    /// Adds what is pending, and norms the stream: as floats and as quants.
    fn norm(&mut self, norm: &Norm) -> Result<(), DeviceError> {
        let room = self.room;
        let out = (Some(&room.normed), room.quants.as_ref());
        rows::add_norm(
            self.device,
            &room.residual,
            self.pending.take(),
            norm.as_rows(),
            out.0,
            out.1,
            self.shape,
        )
    }

    fn normed(&self) -> Prepared<'a> {
        Prepared {
            floats: Some(&self.room.normed),
            quants: self.room.quants.as_ref(),
            count: self.shape[0],
            columns: self.shape[1],
        }
    }

    /// What a part gave is to be added.
    fn give(&mut self, layer: &Layer, norm: Option<&Norm>) -> Result<(), DeviceError> {
        let room = self.room;
        let mut given = &room.given;
        if let Some(norm) = norm {
            given = &room.given_normed;
            rows::add_norm(
                self.device,
                &room.given,
                None,
                norm.as_rows(),
                Some(given),
                None,
                self.shape,
            )?;
        }
        self.pending = Some((given, layer.residual_scale));
        Ok(())
    }

    fn attend(
        &self,
        attention: &Attention,
        pages: &crate::gpu::attention::LayerPages,
        places: &Places,
    ) -> Result<(), DeviceError> {
        let (device, room, input) = (self.device, self.room, self.normed());
        attention.query.multiply(device, input, &room.queries)?;
        attention.key.multiply(device, input, &room.keys)?;
        attention.value.multiply(device, input, &room.values)?;
        let description = &attention.description;
        let placing = Placing {
            query_norm: attention.query_norm.as_ref(),
            key_norm: attention.key_norm.as_ref(),
            epsilon: description.epsilon,
            turns: description.rope.map(|rope| {
                let (turns, dims, style) = &places.turns[rope];
                (turns, *dims, *style)
            }),
        };
        let rows = places.rows();
        let all = [&room.queries, &room.keys, &room.values];
        place(device, pages, description.heads, &placing, &rows, all)?;
        let spec = attention.spec();
        let found = Found::room(device, &spec, rows.count, rows.table)?;
        let attending = Attending {
            spec: &spec,
            sinks: attention.sinks.as_ref(),
            pages,
        };
        attend(
            device,
            attending,
            &rows,
            &room.queries,
            &found,
            &room.results,
        )?;
        self.map(
            &attention.output,
            &room.results,
            description.heads * description.value_dim,
        )
    }

    fn feed(&self, dense: &Dense) -> Result<(), DeviceError> {
        let (device, room, input) = (self.device, self.room, self.normed());
        if let Some(gate) = &dense.gate {
            gate.multiply(device, input, &room.gate)?;
        }
        dense.up.multiply(device, input, &room.up)?;
        let gate = dense.gate.as_ref().map(|_| &room.gate);
        let shape = [self.shape[0], dense.size];
        let quants = self.quants_for(&dense.down, dense.size)?;
        // In place: each number is read by the thread that writes it.
        rows::activate(
            device,
            dense.activation,
            gate,
            &room.up,
            Some(&room.up),
            quants.as_ref(),
            shape,
        )?;
        let inner = Prepared {
            floats: Some(&room.up),
            quants: quants.as_ref(),
            count: shape[0],
            columns: shape[1],
        };
        dense.down.multiply(device, inner, &room.given)
    }

    /// What a part has inside, through its last matrix.
    fn map(&self, linear: &Linear, floats: &Buffer, columns: usize) -> Result<(), DeviceError> {
        let shape = [self.shape[0], columns];
        let quants = self.quants_for(linear, columns)?;
        if let Some(quants) = &quants {
            rows::quantize(self.device, floats, quants, shape)?;
        }
        let inner = Prepared {
            floats: Some(floats),
            quants: quants.as_ref(),
            count: shape[0],
            columns,
        };
        linear.multiply(self.device, inner, &self.room.given)
    }

    fn quants_for(
        &self,
        linear: &Linear,
        columns: usize,
    ) -> Result<Option<rows::Quants>, DeviceError> {
        if !is_quantized(linear.matrix.kind()) {
            return Ok(None);
        }
        room_for_quants(self.device, self.shape[0], columns)
    }
}

/// Rows whose logits are wanted.
fn wanted_rows(chunks: &[Chunk]) -> Vec<usize> {
    let mut first = 0;
    let mut rows = Vec::new();
    for chunk in chunks {
        let end = first + chunk.tokens.len();
        match chunk.logits {
            LogitsWanted::None => {}
            LogitsWanted::Last => rows.push(end - 1),
            LogitsWanted::All => rows.extend(first..end),
        }
        first = end;
    }
    rows
}
