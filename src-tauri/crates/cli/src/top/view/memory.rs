//! The memory: one bar with names in it, the same in words, and who else has how much.

use super::rows::{Row, Section, row_lines, width_of};
use super::words::shown;
use super::{Detail, Palette, Seen, Tone};
use crate::figures;
use crate::top::palette::Part;
use ratatui::text::{Line, Span};
use studio::MemoryPool;
use telemetry::{GpuReading, Program};

/// The parts with their names, in the order in which they are drawn: the window's.
fn parts(pool: &MemoryPool, alone: bool) -> Vec<(Part, &'static str, u64)> {
    let programs = if alone { "Programs" } else { "Other programs" };
    let all = [
        (Part::Weights, "Weights", pool.weights_bytes),
        (Part::KvCache, "KV cache", pool.kv_cache_bytes),
        (Part::App, "Rest of Wick", pool.app_bytes),
        (Part::Other, programs, pool.other_bytes),
        (Part::PageCache, "Page cache", pool.page_cache_bytes),
        (Part::Free, "Free", pool.free_bytes),
    ];
    // Without Wick nobody knows its parts.
    let known = |part: Part| !alone || !matches!(part, Part::Weights | Part::KvCache | Part::App);
    all.into_iter().filter(|(part, ..)| known(*part)).collect()
}

/// What programs hold. The page cache is not among it: the kernel gives it back when asked.
fn used_bytes(pool: &MemoryPool) -> u64 {
    let parts = [
        pool.weights_bytes,
        pool.kv_cache_bytes,
        pool.app_bytes,
        pool.other_bytes,
    ];
    parts.into_iter().fold(0, u64::saturating_add)
}

/// The memory in a line of words, the bar, and the legend.
pub(super) fn lines(seen: &Seen, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let pool = seen.pool();
    if pool.total_bytes == 0 {
        return vec![Line::raw("The memory of this machine can't be read.")];
    }
    let parts = parts(&pool, seen.status.is_none());
    let mut lines = row_lines(&summary(seen, &pool), width, palette);
    lines.push(bar(&parts, pool.total_bytes, width, palette));
    lines.extend(legend(&parts, width, palette));
    let gpus = seen.now.reading.gpus.iter();
    lines.extend(gpus.filter_map(|gpu| of_gpu(gpu, width, palette)));
    lines
}

fn summary(seen: &Seen, pool: &MemoryPool) -> Row {
    let used = used_of(used_bytes(pool), pool.total_bytes);
    let free = format!(" used · {} free", figures::gib(pool.free_bytes));
    let mut row = Row::named("Memory")
        .and(used, Tone::Strong)
        .and(free, Tone::Plain);
    let reading = &seen.now.reading;
    if let Some(swap) = reading.swap {
        let (used, total) = (
            figures::bytes(swap.used_bytes),
            figures::bytes(swap.total_bytes),
        );
        let words = match (swap.total_bytes, swap.used_bytes) {
            (0, _) => " · no swap".into(),
            (_, 0) => " · swap unused".into(),
            _ => format!(" · swap {used} of {total}"),
        };
        row = row.and(words, Tone::Plain);
    }
    match reading.pressure {
        Some(pressure) => waiting(row, pressure.some_avg10),
        None => row,
    }
}

/// `64.5 / 121.7 GiB`, as the strip above Wick's window has it.
fn used_of(used_bytes: u64, total_bytes: u64) -> String {
    format!(
        "{} / {} GiB",
        figures::gib(used_bytes),
        figures::gib(total_bytes)
    )
}

/// How much of the last ten seconds somebody waited for memory, in percent.
fn waiting(row: Row, some_avg10: f64) -> Row {
    if some_avg10 < 0.05 {
        return row.and(" · nobody waits for memory", Tone::Plain);
    }
    let tone = if some_avg10 >= 10.0 {
        Tone::Bad
    } else {
        Tone::Tight
    };
    let words = format!("somebody waits for memory {some_avg10:.1} % of the time");
    row.and(" · ", Tone::Plain).and(words, tone)
}

/// The memory of a GPU that has its own.
fn of_gpu(gpu: &GpuReading, width: u16, palette: Palette) -> Option<Line<'static>> {
    let memory = gpu.memory.filter(|_| !gpu.integrated)?;
    let used = used_of(memory.used_bytes, memory.total_bytes);
    let mut line = Line::from(format!("GPU {}      {used} used  ", gpu.index));
    let free_bytes = memory.total_bytes.saturating_sub(memory.used_bytes);
    let parts = [
        (Part::Other, "Used", memory.used_bytes),
        (Part::Free, "Free", free_bytes),
    ];
    let taken = u16::try_from(line.width()).unwrap_or(u16::MAX);
    line.extend(bar(
        &parts,
        memory.total_bytes,
        width.saturating_sub(taken),
        palette,
    ));
    Some(line)
}

/// Each part as wide as its share, with its name where that fits.
fn bar(
    parts: &[(Part, &str, u64)],
    total_bytes: u64,
    width: u16,
    palette: Palette,
) -> Line<'static> {
    let column = |bytes: u64| {
        let exact = u128::from(bytes) * u128::from(width) * 2 / u128::from(total_bytes.max(1));
        usize::try_from(exact.div_ceil(2))
            .unwrap_or(0)
            .min(width.into())
    };
    let mut until_bytes = 0_u64;
    let mut from = 0;
    let mut line = Line::default();
    for (part, name, bytes) in parts {
        until_bytes = until_bytes.saturating_add(*bytes);
        let until = column(until_bytes);
        line.push_span(segment(*part, name, until - from, palette));
        from = until;
    }
    line
}

fn segment(part: Part, name: &str, width: usize, palette: Palette) -> Span<'static> {
    let (fill, style) = palette.fill(part);
    let blanks = |count: usize| fill.to_string().repeat(count);
    if width < width_of(name) + 4 {
        return Span::styled(blanks(width), style);
    }
    let left = (width - width_of(name) - 2) / 2;
    let right = width - width_of(name) - 2 - left;
    Span::styled(format!("{} {name} {}", blanks(left), blanks(right)), style)
}

/// The parts in words, as many in a line as fit.
fn legend(parts: &[(Part, &str, u64)], width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for (part, name, bytes) in parts {
        let (sign, style) = palette.mark(*part);
        let words = format!(" {name} {}", figures::bytes(*bytes));
        let used = lines.last().map_or(0, Line::width);
        if used > 0 && used + 3 + width_of(&words) > usize::from(width) {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            if line.width() > 0 {
                line.push_span(Span::raw("  "));
            }
            line.push_span(Span::styled(sign.to_string(), style));
            line.push_span(Span::raw(words));
        }
    }
    lines
}

/// The largest programs beside Wick.
pub(super) fn programs(seen: &Seen, detail: Detail) -> Section {
    let programs = &seen.now.programs;
    let rows = match detail {
        Detail::Full => programs
            .iter()
            .map(|program| Row::new(shown(&program.name), held(program)))
            .collect(),
        Detail::Short => {
            let words = programs
                .iter()
                .map(|program| format!("{} {}", shown(&program.name), held(program)));
            let words = words.collect::<Vec<_>>().join(" · ");
            let row = (!words.is_empty()).then(|| Row::new("Programs", words));
            row.into_iter().collect()
        }
    };
    Section {
        title: "Largest programs".into(),
        rows,
    }
}

fn held(program: &Program) -> String {
    let bytes = figures::bytes(program.bytes);
    match program.processes {
        0 | 1 => bytes,
        number => format!("{bytes} in {number} processes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_wide_as_asked_and_names_what_has_room() {
        let check = |shares: &[u64], width: u16, expected: &str| {
            let names = [
                (Part::Weights, "Weights"),
                (Part::Other, "Other"),
                (Part::Free, "Free"),
            ];
            let parts: Vec<_> = names
                .iter()
                .zip(shares)
                .map(|((part, name), bytes)| (*part, *name, *bytes))
                .collect();
            let bar = bar(&parts, shares.iter().sum(), width, Palette::new(false));
            assert_eq!(bar.to_string(), expected);
        };
        check(
            &[50, 30, 20],
            40,
            "##### Weights ######%% Other %%%. Free .",
        );
        check(&[1, 1, 1], 10, "###%%%%...");
        check(&[0, 0, u64::MAX], 10, ".. Free ..");
        check(&[1, 0, 99], 10, ".. Free ..");
        check(&[5, 5, 90], 0, "");
    }
}
