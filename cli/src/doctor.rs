//! `handfast doctor`: what this machine has, where the broker is, and what is wrong.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use handfast::doctor::{self, Broker, ControlGroup, KERNEL_OLDEST, Machine, Origin, Starter};
use handfast::{BrokerInfo, Client, Health};
use serde::Serialize;

use crate::look::{self, clean};

/// A broker that does not answer in this time has stopped.
const PATIENCE: Duration = Duration::from_secs(3);
/// A receiver of a few streams needs no more descriptors than this.
const DESCRIPTORS_FEW: u64 = 256;
/// Less memory than this does not hold a stream of usual size.
const MEMORY_LITTLE: u64 = 64 << 20;

/// `handfast doctor`.
#[derive(Debug, Parser)]
pub(crate) struct DoctorArgs {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    what: String,
    /// What to do.
    advice: String,
    /// Whether nothing works before that.
    essential: bool,
}

/// What the broker says, if one listens.
#[derive(Debug)]
enum Answer {
    /// It is there.
    Well(BrokerInfo, Health),
    /// It refuses, in these words.
    Refused(String),
    /// It says nothing.
    Silent,
    /// Nobody listens.
    Nobody,
}

pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let machine = doctor::machine();
    let broker = doctor::broker();
    let (broker, answer) = match broker {
        Ok(broker) => {
            let answer = if broker.listener_pid.is_some() { ask() } else { Answer::Nobody };
            (Ok(broker), answer)
        }
        Err(error) => (Err(error.to_string()), Answer::Nobody),
    };
    let mut problems = of_machine(&machine);
    match &broker {
        Ok(broker) => problems.extend(of_broker(broker, &answer)),
        Err(error) => problems.push(Problem {
            what: error.clone(),
            advice: "set HANDFAST_SOCKET to a short absolute path, or unset it".into(),
            essential: true,
        }),
    }
    problems.sort_by_key(|problem| !problem.essential);
    let is_well = !problems.iter().any(|problem| problem.essential);
    let report = Report { problems: &problems, machine: &machine, broker: broker.as_ref().ok() };
    let text = if args.json { report.json(is_well, &answer)? } else { report.text(&answer)? };
    look::say(&text)?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks the broker, but does not wait for ever.
fn ask() -> Answer {
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || {
        let answer = match Client::connect_existing() {
            Ok(Some(mut client)) => match client.health() {
                Ok(health) => Answer::Well(client.broker(), health),
                Err(error) => Answer::Refused(error.to_string()),
            },
            Ok(None) => Answer::Nobody,
            Err(error) => Answer::Refused(error.to_string()),
        };
        // Nobody listens when it came too late.
        drop(sender.send(answer));
    });
    answers.recv_timeout(PATIENCE).unwrap_or(Answer::Silent)
}

fn of_machine(machine: &Machine) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |essential, what: String, advice: &str| {
        problems.push(Problem { what, advice: advice.into(), essential });
    };
    let (major, minor) = KERNEL_OLDEST;
    if machine.kernel_version.is_some_and(|version| version < KERNEL_OLDEST) {
        let what = format!("kernel {} is older than {major}.{minor}", machine.kernel);
        add(true, what, "boot a newer kernel");
    }
    if let Some(refused) = &machine.memfd_refused {
        let what = format!("no shared memory can be made: {refused}");
        add(true, what, "allow memfd_create in this sandbox, or raise its limits");
    }
    let (soft, _) = machine.descriptors;
    if soft < DESCRIPTORS_FEW {
        add(false, format!("only {soft} descriptors may be open"), "ulimit -n 1024");
    }
    if let Some(bytes) = machine.memory_bytes.filter(|bytes| *bytes < MEMORY_LITTLE) {
        let what = format!("only {} of memory are left", look::size(bytes));
        add(false, what, "end something, or raise the memory limit of this control group");
    }
    problems
}

fn of_broker(broker: &Broker, answer: &Answer) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |what: String, advice: String| {
        problems.push(Problem { what, advice, essential: true });
    };
    let socket = broker.socket.to_string_lossy();
    if let Some(obstacle) = &broker.obstacle {
        let advice = match broker.origin {
            Origin::Environment => "change what is there, or HANDFAST_SOCKET",
            Origin::Machine => {
                "as root, start the machine's broker (handfast broker) and let you use its socket"
            }
            Origin::User => "change what is there, or set XDG_RUNTIME_DIR to a folder of your own",
        };
        add(obstacle.clone(), advice.into());
    }
    match answer {
        Answer::Well(..) => {}
        Answer::Refused(words) => {
            let pid = broker.listener_pid.unwrap_or_default();
            add(words.clone(), format!("do as it says, or stop that broker: kill {pid}"));
        }
        Answer::Silent => {
            let pid = broker.listener_pid.unwrap_or_default();
            let what = format!("process {pid} listens at {socket} and does not answer");
            add(what, format!("see whether it is stopped or stuck: kill -CONT {pid}"));
        }
        Answer::Nobody if !broker.program_exists => {
            let what = format!(
                "no broker runs, and {} cannot be started as one",
                broker.program.display()
            );
            let advice = "put handfast on PATH, or set HANDFAST_BROKER to it, or run \
                          handfast broker";
            add(what, advice.into());
        }
        Answer::Nobody => {}
    }
    problems
}

struct Report<'a> {
    problems: &'a [Problem],
    machine: &'a Machine,
    broker: Option<&'a Broker>,
}

impl Report<'_> {
    fn text(&self, answer: &Answer) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        for Problem { what, advice, essential } in self.problems {
            let word = if *essential { "PROBLEM" } else { "notice" };
            writeln!(text, "{word:<9} {}", clean(what))?;
            writeln!(text, "          to do:  {}", clean(advice))?;
        }
        if self.problems.is_empty() {
            writeln!(text, "All is well.")?;
        }
        let machine = self.machine;
        let (major, minor) = KERNEL_OLDEST;
        writeln!(
            text,
            "kernel    {} ({major}.{minor} or later is needed)",
            clean(&machine.kernel)
        )?;
        for facility in &machine.facilities {
            if facility.present {
                writeln!(text, "          {:<15}  there", facility.name)?;
            } else {
                let (since, without) = (facility.since, facility.without);
                writeln!(
                    text,
                    "          {:<15}  not there (Linux {since}): {without}",
                    facility.name
                )?;
            }
        }
        let (soft, hard) = machine.descriptors;
        writeln!(text, "limits    {} open descriptors, at most {}", limit(soft), limit(hard))?;
        let memory = machine.memory_bytes.map_or("unknown".into(), look::size);
        writeln!(text, "memory    {memory} available")?;
        if let Some(broker) = self.broker {
            self.broker_text(&mut text, broker, answer)?;
        }
        Ok(text)
    }

    fn broker_text(&self, text: &mut String, broker: &Broker, answer: &Answer) -> std::fmt::Result {
        let socket = broker.socket.to_string_lossy();
        writeln!(text, "broker    {} ({})", clean(&socket), why(broker.origin))?;
        let on_demand = if broker.program_exists { "" } else { " (is no program)" };
        match answer {
            Answer::Well(info, health) => {
                let whose = look::user(info.uid);
                let age = look::span(look::since(info.started_ns));
                writeln!(
                    text,
                    "          answers: pid {}, user {whose}, version {}, for {age}",
                    info.pid, info.version
                )?;
                writeln!(
                    text,
                    "          holds {} (this one too), {}, {}, {}, {} of shared memory",
                    look::counted(health.clients, "client"),
                    look::counted(health.objects, "object"),
                    look::counted(health.pages, "page"),
                    look::counted(health.descriptors, "descriptor"),
                    look::size(health.shared_bytes)
                )?;
            }
            Answer::Refused(_) => writeln!(text, "          refuses this program")?,
            Answer::Silent => writeln!(text, "          does not answer")?,
            Answer::Nobody => writeln!(text, "          nobody listens")?,
        }
        if let Some(group) = control_group(broker, answer) {
            group_text(text, &group)?;
        }
        let program = broker.program.to_string_lossy();
        writeln!(text, "          started when needed: {}{on_demand}", clean(&program))
    }

    fn json(&self, is_well: bool, answer: &Answer) -> anyhow::Result<String> {
        let machine = self.machine;
        let (soft, hard) = machine.descriptors;
        let (major, minor) = KERNEL_OLDEST;
        let facilities: serde_json::Map<_, _> = machine
            .facilities
            .iter()
            .map(|facility| (facility.name.to_owned(), facility.present.into()))
            .collect();
        let broker = self.broker.map(|broker| {
            let group = control_group(broker, answer);
            let mut json = serde_json::json!({
                "socket": broker.socket.to_string_lossy(),
                "chosen_by": why(broker.origin),
                "answers": matches!(answer, Answer::Well(..)),
                "pid": broker.listener_pid,
                "cgroup": group.as_ref().map(|group| &group.path),
                "started_by": group.as_ref().and_then(|group| starter(&group.starter)),
                "program": broker.program.to_string_lossy(),
                "program_exists": broker.program_exists,
            });
            if let (Answer::Well(info, health), Some(json)) = (answer, json.as_object_mut()) {
                json.insert("uid".into(), info.uid.into());
                json.insert("version".into(), info.version.into());
                json.insert("started_ns".into(), info.started_ns.into());
                json.insert("health".into(), health_json(health));
            }
            json
        });
        let report = serde_json::json!({
            "ok": is_well,
            "problems": self.problems,
            "kernel": { "release": machine.kernel, "oldest": format!("{major}.{minor}") },
            "facilities": facilities,
            "descriptors": { "soft": soft, "hard": hard },
            "memory_available_bytes": machine.memory_bytes,
            "broker": broker,
        });
        Ok(look::json(&report)?)
    }
}

/// Where the broker hangs. Whom a connection leads to first may be the service manager, or a
/// broker that has left; one that answers says itself who it is.
fn control_group(broker: &Broker, answer: &Answer) -> Option<ControlGroup> {
    let pid = match answer {
        Answer::Well(info, _) => info.pid,
        Answer::Refused(_) | Answer::Silent | Answer::Nobody => broker.listener_pid?,
    };
    doctor::control_group(pid)
}

fn group_text(text: &mut String, group: &ControlGroup) -> std::fmt::Result {
    match &group.starter {
        Starter::Service(unit) => {
            writeln!(text, "          started by systemd, as {}", clean(unit))?;
        }
        Starter::Program(unit) => {
            let unit = clean(unit);
            writeln!(text, "          started by a program in {unit}, or by hand there")?;
        }
        Starter::Unknown => {}
    }
    writeln!(text, "          in the control group {}", clean(&group.path))
}

/// A word for programs to read; None where it is not known.
fn starter(starter: &Starter) -> Option<&'static str> {
    match starter {
        Starter::Service(_) => Some("systemd"),
        Starter::Program(_) => Some("program"),
        Starter::Unknown => None,
    }
}

fn health_json(health: &Health) -> serde_json::Value {
    serde_json::json!({
        "clients": health.clients,
        "objects": health.objects,
        "pages": health.pages,
        "descriptors": health.descriptors,
        "shared_bytes": health.shared_bytes,
    })
}

fn why(origin: Origin) -> &'static str {
    match origin {
        Origin::Environment => "HANDFAST_SOCKET says so",
        Origin::Machine => "the machine's",
        Origin::User => "the user's own",
    }
}

fn limit(count: u64) -> String {
    if count == u64::MAX { "any number of".into() } else { count.to_string() }
}
