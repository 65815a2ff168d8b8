//! A step on the device: tokens of several sequences through all layers, and the logits that are wanted.

use super::Decoder;
use super::places::{Key, Places};
use super::room::{Plan, Room};
use super::weights::{Attention, Dense, FeedForward, Gates, Layer, Linear, Norm, Own};
use crate::decoder::{Chunk, LogitsWanted, Reserve};
use crate::gpu::attention::{Attending, LayerPages, Placing, Strided, attend, place};
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::matrix::is_quantized;
use crate::gpu::rows::{self, Given, Inner, Prepared};
use crate::gpu::shortlist::{self, Finish};
use crate::kv::Change;
use crate::sampler::Shortlist;

impl Decoder {
    /// Computes a step: does `changes`, writes the chunks' keys and values into their pages and returns the likeliest of the
    /// wanted rows of logits, in the order of the chunks; [`Self::row`] has the rows. The caller has proven the chunks.
    ///
    /// # Errors
    /// [`DeviceError`]; after [`DeviceError::Failed`] the device is of no more use.
    ///
    /// # Panics
    /// For a page that there is no room for.
    pub fn step(
        &mut self,
        changes: &[Change],
        chunks: &[Chunk],
    ) -> Result<Vec<Shortlist>, DeviceError> {
        self.queue(changes)?;
        let wanted = wanted_rows(chunks);
        let key = Key::of(chunks, wanted.len());
        if key.rows == 0 {
            return Ok(Vec::new());
        }
        let known = |page: &crate::kv::PageId| (page.0 as usize) < self.reserve.pages;
        let mut pages = chunks.iter().flat_map(|chunk| chunk.pages);
        assert!(pages.all(known), "pages that were not asked for");
        let mut room = match self.room.take().filter(|room| room.holds(&key)) {
            Some(room) => room,
            None => self.more_room(&key)?,
        };
        let lists = self.compute(&mut room, key, chunks, &wanted);
        self.room = Some(room);
        lists
    }

    /// Room for a step that is larger than what was reserved, from now on.
    fn more_room(&mut self, key: &Key) -> Result<Room, DeviceError> {
        let Reserve {
            step_tokens,
            step_logits,
            ..
        } = &mut self.reserve;
        *step_tokens = key.rows.max(*step_tokens);
        *step_logits = key.wanted.max(*step_logits);
        Room::new(&self.device, &self.description, &self.reserve)
    }

    /// Row `at` of the logits of the latest step, `[vocabulary]`.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When it had no such row.
    pub fn row(&self, at: usize) -> Result<Vec<f32>, DeviceError> {
        let room = self.room.as_ref();
        let room = room.filter(|room| at < room.latest_wanted());
        let length = self.description.vocabulary * 4;
        let mut bytes = vec![0; length];
        let logits = &room.expect("a row of the latest step").logits;
        self.device.read(logits, at * length, &mut bytes)?;
        let logits = bytes.as_chunks().0.iter();
        Ok(logits.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn compute(
        &self,
        room: &mut Room,
        key: Key,
        chunks: &[Chunk],
        wanted: &[usize],
    ) -> Result<Vec<Shortlist>, DeviceError> {
        let mut plan = room.take_plan(self, key)?;
        plan.places
            .fill(&self.device, &self.ropes, chunks, wanted)?;
        if plan.recording.is_none() && plan.is_to_be_recorded() {
            let recorded = self.device.record(|| self.launch(room, &plan));
            // Without it a step takes a little longer.
            plan.recording = recorded
                .inspect_err(|error| tracing::warn!(%error, "launches are not recorded"))
                .ok();
            plan.can_be_recorded = plan.recording.is_some();
        }
        match &plan.recording {
            Some(recording) => self.device.replay(recording)?,
            None => self.launch(room, &plan)?,
        }
        plan.is_known = true;
        let lists = match key.wanted {
            // Whoever asked measures how long it takes.
            0 => self.device.wait().map(|()| Vec::new()),
            rows => shortlist::read(&self.device, &room.lists, rows),
        };
        room.give_back(plan);
        lists
    }

    /// All launches of a step. What they depend on lies in `plan`, so that they can be recorded.
    fn launch(&self, room: &Room, plan: &Plan) -> Result<(), DeviceError> {
        let (device, key) = (&self.device, plan.places.key());
        let tokens = &plan.places.tokens;
        let scale = self.description.embedding_scale;
        self.embedding
            .embed(device, tokens, key.rows, scale, &room.residual)?;
        let mut step = Step {
            device,
            room,
            plan,
            shape: [key.rows, self.description.embedding],
            pending: None,
        };
        for layer in &self.layers {
            step.layer(layer, &self.pages)?;
        }
        if key.wanted == 0 {
            return Ok(());
        }
        step.norm(Some(&self.output_norm))?;
        step.logits(&self.output)?;
        let finish = Finish {
            scale: self.description.logit_scale,
            cap: self.description.logit_softcap,
        };
        let shape = [key.wanted, self.description.vocabulary];
        shortlist::list(device, &room.logits, finish, &room.lists, shape)
    }
}

/// A step on its way through the layers.
pub(super) struct Step<'a> {
    pub(super) device: &'a Device,
    pub(super) room: &'a Room,
    plan: &'a Plan,
    /// Rows, and the width of the residual stream.
    pub(super) shape: [usize; 2],
    /// What the last part gave and has not been added yet: the next norm does, in the same launch.
    pending: Option<Given<'a>>,
}

impl<'a> Step<'a> {
    fn layer(&mut self, layer: &Layer, pages: &[LayerPages]) -> Result<(), DeviceError> {
        if let Some(attention) = &layer.attention {
            self.norm(layer.mixer_norm.as_ref())?;
            self.attend(attention, &pages[attention.pages])?;
            self.give(layer, layer.mixer_post_norm.as_ref())?;
        }
        match &layer.feed_forward {
            FeedForward::None => {}
            FeedForward::Dense(dense) => {
                self.norm(layer.feed_forward_norm.as_ref())?;
                self.feed(dense, &self.room.given)?;
                self.give(layer, layer.feed_forward_post_norm.as_ref())?;
            }
            FeedForward::Mixture(mixture) => {
                self.norm(layer.feed_forward_norm.as_ref())?;
                self.mix(mixture)?;
                self.give(layer, layer.feed_forward_post_norm.as_ref())?;
            }
        }
        // The stream is scaled when what is pending has come to it.
        if let Some(pending) = &mut self.pending {
            pending.scale = layer.output_scale;
        }
        Ok(())
    }

    /// Adds what is pending, and norms the stream, or takes it as it is: as floats and as quants.
    fn norm(&mut self, norm: Option<&Norm>) -> Result<(), DeviceError> {
        let Room {
            residual, normed, ..
        } = self.room;
        let norm = norm.map(Norm::as_rows);
        let (floats, quants) = (Some(&normed.floats), normed.quants.as_ref());
        rows::add_norm(
            self.device,
            residual,
            self.pending.take(),
            norm,
            floats,
            quants,
            self.shape,
        )
    }

    /// What the last norm gave.
    pub(super) fn normed(&self) -> Prepared<'a> {
        self.room.normed.prepared(self.shape)
    }

    /// The stream through this norm, beside the last one; that one where there is none.
    pub(super) fn normed_by(&self, norm: Option<&Norm>) -> Result<Prepared<'a>, DeviceError> {
        let (Some(norm), Some(second)) = (norm, &self.room.second) else {
            return Ok(self.normed());
        };
        let (floats, quants) = (Some(&second.floats), second.quants.as_ref());
        let norm = Some(norm.as_rows());
        rows::add_norm(
            self.device,
            &self.room.residual,
            None,
            norm,
            floats,
            quants,
            self.shape,
        )?;
        Ok(second.prepared(self.shape))
    }

    pub(super) fn norm_in_place(&self, norm: &Norm, rows: &Buffer) -> Result<(), DeviceError> {
        rows::add_norm(
            self.device,
            rows,
            None,
            Some(norm.as_rows()),
            Some(rows),
            None,
            self.shape,
        )
    }

    /// What a part gave is to be added.
    fn give(&mut self, layer: &Layer, norm: Option<&Norm>) -> Result<(), DeviceError> {
        if let Some(norm) = norm {
            self.norm_in_place(norm, &self.room.given)?;
        }
        self.pending = Some(Given {
            floats: &self.room.given,
            factor: layer.residual_scale,
            scale: 1.0,
        });
        Ok(())
    }

    fn attend(&self, attention: &Attention, pages: &LayerPages) -> Result<(), DeviceError> {
        let (device, room) = (self.device, self.room);
        let description = &attention.description;
        let (queries, own) = self.project(attention)?;
        self.norm_whole(attention)?;
        let places = &self.plan.places;
        let rows = places.rows();
        let placing = placing(attention, places);
        let heads = description.heads;
        place(
            device,
            pages,
            heads,
            &placing,
            &rows,
            &queries,
            own.as_ref(),
        )?;
        let spec = attention.spec();
        let attending = Attending {
            spec: &spec,
            sinks: attention.sinks.as_ref(),
            pages,
        };
        let columns = spec.heads * spec.value_dim;
        let quants = self.inner_for(&attention.output, columns);
        let (results, quants) = (&room.results, quants.as_ref());
        attend(
            device,
            attending,
            &rows,
            &queries,
            &room.found,
            results,
            quants,
        )?;
        let inner = Prepared {
            floats: Some(results),
            quants,
            count: self.shape[0],
            columns,
        };
        attention.output.multiply(device, inner, &room.given)
    }

    /// Queries, and the keys and values that are to be kept.
    fn project(
        &self,
        attention: &Attention,
    ) -> Result<(Strided, Option<[Strided; 2]>), DeviceError> {
        let (device, room, input) = (self.device, self.room, self.normed());
        let description = &attention.description;
        let query = description.heads * description.key_dim;
        let key = description.kv_heads * description.key_dim;
        let value = description.kv_heads * description.value_dim;
        attention.query.multiply(device, input, &room.queries)?;
        let keys = Strided::dense(&room.keys, key);
        let queries = Strided::dense(&room.queries, query);
        let own = match &attention.own {
            Own::None => None,
            Own::Together => {
                let all = Strided::dense(&room.queries, query + key + value);
                let own = [all.from_column(query), all.from_column(query + key)];
                return Ok((all, Some(own)));
            }
            Own::Values(of_values) => {
                of_values.multiply(device, input, &room.values)?;
                let both = Strided::dense(&room.queries, query + key);
                let own = [both.from_column(query), Strided::dense(&room.values, value)];
                return Ok((both, Some(own)));
            }
            Own::Apart(of_keys, None) => {
                of_keys.multiply(device, input, &room.keys)?;
                Some([keys.clone(), keys])
            }
            Own::Apart(of_keys, Some(of_values)) => {
                of_keys.multiply(device, input, &room.keys)?;
                of_values.multiply(device, input, &room.values)?;
                Some([keys, Strided::dense(&room.values, value)])
            }
        };
        Ok((queries, own))
    }

    /// Norms over all heads together, which `place` doesn't know.
    fn norm_whole(&self, attention: &Attention) -> Result<(), DeviceError> {
        let pairs = [
            (&attention.whole_query_norm, &self.room.queries),
            (&attention.whole_key_norm, &self.room.keys),
        ];
        for (norm, floats) in pairs {
            if let Some(norm) = norm {
                let shape = [self.shape[0], norm.width()];
                let norm = Some(norm.as_rows());
                rows::add_norm(self.device, floats, None, norm, Some(floats), None, shape)?;
            }
        }
        Ok(())
    }

    /// Computes a dense part of the normed stream into `out`.
    pub(super) fn feed(&self, dense: &Dense, out: &Buffer) -> Result<(), DeviceError> {
        let (device, room, input) = (self.device, self.room, self.normed());
        dense.up.multiply(device, input, &room.up)?;
        let inner = match &dense.gates {
            Gates::Apart(gate) => {
                gate.multiply(device, input, &room.gate)?;
                Inner::Gated(&room.gate, &room.up)
            }
            Gates::Together => Inner::Fused(&room.up),
            Gates::None => Inner::Plain(&room.up),
        };
        let shape = [self.shape[0], dense.size];
        let quants = self.inner_for(&dense.down, dense.size);
        // In place where each number is read by the thread that writes it.
        let activated = match dense.gates {
            Gates::Together => &room.gate,
            Gates::Apart(_) | Gates::None => &room.up,
        };
        let (kind, floats) = (dense.activation, Some(activated));
        rows::activate(device, kind, inner, floats, quants.as_ref(), shape)?;
        let inner = Prepared {
            floats: Some(activated),
            quants: quants.as_ref(),
            count: shape[0],
            columns: shape[1],
        };
        dense.down.multiply(device, inner, out)
    }

    /// The output matrix for the rows that are wanted, out of the normed stream.
    fn logits(&self, output: &Linear) -> Result<(), DeviceError> {
        let (room, places) = (self.room, &self.plan.places);
        let shape = [places.key().wanted, self.shape[1]];
        let taken = &room.given_normed;
        rows::take_rows(
            self.device,
            &room.normed.floats,
            &places.wanted,
            taken,
            shape,
        )?;
        let wanted = Step {
            shape,
            pending: None,
            ..*self
        };
        wanted.map(output, taken, shape[1], &room.logits)
    }

    /// What a part has inside, `[rows, columns]`, through its last matrix.
    fn map(
        &self,
        linear: &Linear,
        floats: &Buffer,
        columns: usize,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        let shape = [self.shape[0], columns];
        let quants = self.inner_for(linear, columns);
        if let Some(quants) = &quants {
            rows::quantize(self.device, floats, quants, shape)?;
        }
        let inner = Prepared {
            floats: Some(floats),
            quants: quants.as_ref(),
            count: shape[0],
            columns,
        };
        linear.multiply(self.device, inner, out)
    }

    /// Room for what goes into this matrix as quants, if it reads them.
    fn inner_for(&self, linear: &Linear, columns: usize) -> Option<rows::Quants> {
        let reads = is_quantized(linear.matrix.kind());
        self.room.inner.of_width(columns).filter(|_| reads)
    }
}

fn placing<'a>(attention: &'a Attention, places: &'a Places) -> Placing<'a> {
    let description = &attention.description;
    Placing {
        query_norm: attention.query_norm.as_ref(),
        key_norm: attention.key_norm.as_ref(),
        value_norm: description.value_norm,
        epsilon: description.epsilon,
        turns: description.rope.map(|rope| places.turns(rope)),
        warmth: description
            .temperature
            .as_ref()
            .and_then(|one| places.warmth(one)),
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

#[cfg(test)]
mod tests;
