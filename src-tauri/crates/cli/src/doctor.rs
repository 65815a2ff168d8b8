//! `wick doctor`: what computes on this machine and why, and what needs the person. It changes nothing.

use crate::figures;
use crate::output::stdout;
use crate::stop::Stop;
use engine_api::CUDA_NEEDED;
use std::fmt::Write;
use studio::{Checkup, Facts, Finding, Folder, Paths, check_up, machine_from_environment};

const EXPLANATION: &str = "\
Fields with --json:
  facts        what was looked at: recorded, processor, memory, gpus, gpu_absence, pci_gpus (who
               holds each NVIDIA GPU), workers, data, models, model_count
  computes_on  what models are computed on: a GPU's name, or CPU
  because      why not on a GPU
  findings     is_problem, message, remedy
  null is what can't be told.

Exit codes: 0 nothing needs you; 1 something does; 2 wrong usage.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct DoctorArgs {
    /// Write a JSON object, whose fields `wick doctor --help` tells
    #[arg(long)]
    json: bool,
}

pub(crate) fn doctor(args: &DoctorArgs) -> Result<(), Stop> {
    let checkup = check_up(&Paths::from_environment(), &machine_from_environment());
    let text = if args.json {
        let json = serde_json::to_string_pretty(&checkup);
        json.map(|json| format!("{json}\n"))
            .map_err(|error| Stop::Failed {
                message: format!("The check-up can't be written as JSON: {error}."),
                hint: None,
            })?
    } else {
        page(&checkup)
    };
    stdout().write(&text)?;
    let needs_somebody = checkup.findings.iter().any(|finding| finding.is_problem);
    if needs_somebody {
        Err(Stop::Ended(1))
    } else {
        Ok(())
    }
}

fn page(checkup: &Checkup) -> String {
    let facts = &checkup.facts;
    let mut lines = Vec::new();
    let mut line =
        |name: &str, said: Option<String>| lines.extend(said.map(|said| (name.to_owned(), said)));
    line(
        "Processor",
        facts
            .processor
            .as_ref()
            .map(|(name, threads)| format!("{name} · {}", counted(*threads, "thread"))),
    );
    line("Memory", memory(facts));
    for gpu in gpus(facts) {
        line("GPU", Some(gpu));
    }
    line("Driver", driver(facts));
    let because = checkup
        .because
        .as_ref()
        .map(|because| format!(": {because}"));
    line(
        "Computes on",
        Some(format!(
            "{}{}",
            checkup.computes_on,
            because.unwrap_or_default()
        )),
    );
    line("Engine", engine(facts));
    line("Data", facts.data.as_ref().map(folder));
    for (at, models) in facts.models.iter().enumerate() {
        line(if at == 0 { "Models" } else { "" }, Some(folder(models)));
    }
    line("", facts.model_count.map(|count| counted(count, "model")));
    let label = facts.recorded.as_ref();
    let label = label
        .map(|label| format!(" (recorded: {label})"))
        .unwrap_or_default();
    let mut text = format!("Wick {}{label}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, said) in lines {
        let _ = writeln!(text, "  {name:<12} {said}");
    }
    text.push('\n');
    text.push_str(&findings(&checkup.findings));
    text
}

fn counted(count: u32, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn memory(facts: &Facts) -> Option<String> {
    let all = figures::gib(facts.memory_bytes?);
    let free = facts
        .available_bytes
        .map(|bytes| format!(", {} available", figures::gib(bytes)));
    Some(format!("{all} GiB{}", free.unwrap_or_default()))
}

fn gpus(facts: &Facts) -> Vec<String> {
    let told = facts.gpus.iter().map(|gpu| {
        let capability = gpu.compute_capability.as_ref();
        let capability = capability.map(|told| format!(" · compute capability {told}"));
        let memory = match (gpu.integrated, gpu.memory) {
            (true, _) => " · one memory with the processor".into(),
            (false, Some(memory)) => {
                format!(" · {} GiB of its own", figures::gib(memory.total_bytes))
            }
            (false, None) => String::new(),
        };
        format!("{}{}{memory}", gpu.name, capability.unwrap_or_default())
    });
    let told: Vec<_> = told.collect();
    let on_bus = facts.pci_gpus.iter().map(|holder| match holder {
        Some(holder) => format!("one of NVIDIA's, held by {holder}"),
        None => "one of NVIDIA's, without a driver".into(),
    });
    if told.is_empty() {
        on_bus.collect()
    } else {
        told
    }
}

fn driver(facts: &Facts) -> Option<String> {
    let gpu = facts.gpus.first()?;
    let driver = gpu.driver.as_deref().unwrap_or("of an unknown version");
    let (major, minor) = CUDA_NEEDED;
    let knows = gpu.cuda_driver.as_ref();
    let knows = knows.map(|knows| format!(" · knows CUDA {knows}, Wick needs {major}.{minor}"));
    Some(format!("NVIDIA {driver}{}", knows.unwrap_or_default()))
}

fn engine(facts: &Facts) -> Option<String> {
    let chosen = facts.workers.chosen.as_ref()?;
    Some(chosen.display().to_string())
}

fn folder(folder: &Folder) -> String {
    let path = folder.path.display();
    let free = folder
        .free_bytes
        .map(|bytes| format!(" · {} free", figures::bytes(bytes)));
    let unmade = if folder.exists {
        ""
    } else {
        " · made when needed"
    };
    let downloads = if folder.takes_downloads {
        " · downloads go here"
    } else {
        ""
    };
    format!("{path}{}{downloads}{unmade}", free.unwrap_or_default())
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Nothing needs you.\n".into();
    }
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.is_problem { "!" } else { "·" };
        let _ = writeln!(text, "{mark} {}", finding.message);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "  → {remedy}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
