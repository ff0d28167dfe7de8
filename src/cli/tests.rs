use std::ffi::OsString;
use std::path::Path;

use super::memory::Machine;
use super::world::World;
use super::{run, run_in};

/// Exit code, stdout and stderr of a command.
fn tenure(args: &[&str]) -> (u8, String, String) {
    tenure_in(&World::default(), args)
}

fn tenure_in(world: &World, args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = std::iter::once("tenure").chain(args.iter().copied()).map(OsString::from).collect();
    let code = run_in(world, args, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn the_flags_are_sound() {
    use clap::CommandFactory as _;
    super::Cli::command().debug_assert();
}

#[test]
fn help_lists_the_exit_codes() {
    let (code, out, err) = tenure(&["help", "exit-codes"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r"
    code  retry                meaning
       0                       success, also with warnings, also when nothing had changed
       1  no                   a table failed while executing, a test failed, or the output cannot be written
       2  no                   command line wrong: unknown flag, a selector term that matches nothing, bad parameter, no `as_of`
       3  no                   pipeline file or plan invalid
       4  no, fix the data     a data contract or check failed at severity error; what it concerns is not published
       5  later                source missing, incomplete, or older than its `freshness` allows; nothing is published
       6  yes                  transient input or output error
       7  yes                  another run holds the lock
       8  with more resources  memory, disk or quota exceeded
       9  no                   reserved: fenced, a newer version was published meanwhile
      10  no                   differences that no option explains (`tenure reconcile`)
      70  no                   internal error (a bug); the message names the run
      99                       reserved: nothing to do
     124  yes                  stopped by --timeout
     130  yes                  stopped by SIGINT
     143  yes                  stopped by SIGTERM

    retry says whether the same command can succeed later without a change.
    ");
}

#[test]
fn help_goes_to_stdout_and_mistakes_to_stderr() {
    for args in [&["--help"][..], &["help"], &["run", "--help"], &["help", "run"], &["--version"]] {
        let (code, out, err) = tenure(args);
        assert_eq!((code, err.as_str(), out.is_empty()), (0, "", false), "{args:?}");
    }
    for (args, words) in [
        (&["rnu"][..], "unrecognized subcommand"),
        (&["run"], "required arguments"),
        (&["run", "p.yml", "--fast"], "unexpected argument"),
        (&["run", "p.yml", "--param", "x"], "expected NAME=VALUE"),
        (&["run", "p.yml", "--as-of", "2026-06-30", "--cutoff", "2026-07-01T00:00:00Z"], "cannot be used with"),
        (&["run", "p.yml", "--cutoff", "2026-07-01T00:00:00"], "has no offset"),
        (&["run", "p.yml", "--as-of", "yesterday"], "--as-of"),
        (&["run", "p.yml", "--threads", "0"], "--threads"),
        (&["run", "p.yml", "--memory", "8"], "size `8` has no unit\n  help: write `8MiB` if mebibytes are meant"),
        (&["run", "p.yml", "--memory", "120%"], "`120%` is no share of the machine's memory"),
        (&["plan", "p.yml", "--unoptimized"], "--explain"),
        (&["help", "exit-code"], "did you mean `exit-codes`?"),
        (&["metrics", "mrr_movement"], "`mrr_movements`"),
        (&["check", "no/such.yml"], "no pipeline file"),
        (&["run", "p.yml", "--failpoint", "nowhere"], "unknown failpoint"),
    ] {
        let (code, out, err) = tenure(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
    }
}

#[test]
fn metrics_are_listed_and_their_pages_printed_as_they_are() {
    let (code, out, _) = tenure(&["metrics"]);
    assert_eq!((code, out.lines().count()), (0, crate::metrics::REGISTRY.len()));
    for metric in crate::metrics::REGISTRY {
        assert_eq!(tenure(&["metrics", metric.name]), (0, metric.page.to_owned(), String::new()));
    }
}

#[test]
fn the_schema_is_json() {
    let (code, out, _) = tenure(&["schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["tables"].is_object());
}

#[test]
fn a_broken_pipe_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut err = Vec::new();
    assert_eq!(run(["tenure", "schema"], &mut Closed, &mut err), 0);
    assert!(err.is_empty());
}

/// A starter pipeline in a new folder, and the path of its file.
fn started() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = tenure(&["init", folder.path().to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""));
    let file = folder.path().join("pipeline.yml").to_str().unwrap().to_owned();
    (folder, file)
}

fn record(folder: &Path, result: &serde_json::Value) -> serde_json::Value {
    let path = result["record"].as_str().unwrap();
    assert!(Path::new(path).starts_with(folder.canonicalize().unwrap()), "{path}");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn result(out: &str) -> serde_json::Value {
    assert!(out.len() < crate::report::LIMIT);
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

#[test]
fn the_starter_checks_plans_runs_and_shows() {
    let (folder, file) = started();
    let (code, out, err) = tenure(&["check", &file]);
    assert_eq!((code, err.as_str()), (0, ""), "{err}");
    assert!(out.starts_with("ok: 2 sources ("), "{out}");
    let (code, out, err) = tenure(&["plan", &file, "--explain"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("query of ledger\n  customers: 1 scan of 2 columns\n"), "{out}");
    let (code, out, _) = tenure(&["plan", &file, "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &plan["sources"][1]["scans"]), (0, &1.into()));

    let (code, out, err) = tenure(&["run", &file]);
    assert_eq!(code, 0, "{err}");
    let first = result(&out);
    assert_eq!((&first["status"], &first["tables"]["movements"]["changed"]), (&"succeeded".into(), &true.into()));
    assert!(err.contains("succeeded: 6 tables published"), "{err}");
    let recorded = record(folder.path(), &first);
    for source in recorded["sources"].as_array().unwrap() {
        let aside: u64 = source["attrition"].as_array().unwrap().iter().map(|r| r["rows"].as_u64().unwrap()).sum();
        assert_eq!(source["read"].as_u64().unwrap(), source["used"].as_u64().unwrap() + aside, "{source}");
    }

    let (code, out, err) = tenure(&["run", &file, "--quiet"]);
    assert_eq!(code, 0, "{err}");
    let second = result(&out);
    assert_eq!(second["tables"]["movements"]["changed"], false);
    assert_ne!(first["run_id"], second["run_id"]);

    let table = folder.path().join("out/movements.parquet");
    let (code, out, err) = tenure(&[
        "show",
        table.to_str().unwrap(),
        "-n",
        "2",
        "--columns",
        "period_start,closing_mrr",
        "--format",
        "csv",
    ]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("period_start,closing_mrr\r\n20"), "{out}");
    assert_eq!(out.lines().count(), 3);
    let (code, out, err) = tenure(&["inspect", table.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("tenure.as_of") && out.contains("2026-06-30"), "{out}");

    let again = tenure(&["init", folder.path().to_str().unwrap()]);
    assert_eq!(again.0, 2);
    assert!(again.2.contains("exists already"));
}

#[test]
fn a_plan_says_what_memory_a_run_may_hold() {
    let (_folder, file) = started();
    let world = World { machine: Machine::with(16 << 30, Some(4 << 30)), ..World::default() };
    let limits = |world: &World| {
        let (code, out, err) = tenure_in(world, &["plan", &file]);
        assert_eq!((code, err.as_str()), (0, ""));
        let limits = out.split_once("\nlimits\n").unwrap().1;
        limits.lines().map(|line| line.strip_prefix("    ").unwrap()).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(limits(&world), @r"
    memory          3.6 GiB: the 4.0 GiB of this container less a reserve of
                    409.6 MiB
    threads         all cores
    ");
    assert!(limits(&World::default()).contains("none: the system does not say how much"), "{}", limits(&world));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\nlimits: {{memory: 50%, threads: 3}}\n")).unwrap();
    insta::assert_snapshot!(limits(&world), @r"
    memory          2.0 GiB: 50% of the 4.0 GiB of this container
    threads         3
    ");
    let (_, out, _) = tenure_in(&world, &["plan", &file, "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["limits"]["memory_bytes"], 2_u64 << 30);
    std::fs::write(&file, format!("{text}\nlimits: {{memory: 8, threads: 0}}\n")).unwrap();
    let (code, _, err) = tenure(&["check", &file]);
    assert_eq!(code, 3);
    assert!(err.contains("size `8` has no unit") && err.contains("`threads`"), "{err}");
}

#[test]
fn a_run_that_is_refused_says_so_everywhere() {
    let (folder, file) = started();
    let world = World {
        termination_log: Some(folder.path().join("log")),
        xcom: Some(folder.path().to_owned()),
        ..World::default()
    };
    std::fs::write(folder.path().join("log"), "").unwrap();
    let (code, out, err) = tenure_in(&world, &["run", &file, "--select", "movement"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `movements`?"), "{err}");
    assert_eq!((&result(&out)["status"], &result(&out)["exit_code"]), (&"refused".into(), &2.into()));
    assert_eq!(std::fs::read_to_string(folder.path().join("return.json")).unwrap(), out);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.starts_with("exit code 2: T0307: `--select movement` matches no table"), "{log}");

    std::fs::remove_dir_all(folder.path().join("data/customers")).unwrap();
    let (code, _, err) = tenure(&["check", &file]);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("no file matches"), "{err}");
}

#[test]
fn a_run_that_is_stopped_keeps_what_was_there() {
    let (folder, file) = started();
    let lock = crate::publish::Root::open(&folder.path().join("out")).unwrap();
    let holder = crate::publish::Holder::this_process("other", super::World::now());
    let held = lock.lock(&holder, std::time::Duration::ZERO, &|| false).unwrap();
    let (code, out, err) = tenure(&["run", &file, "--quiet"]);
    assert_eq!((code, &result(&out)["status"]), (7, &"failed".into()), "{err}");
    assert!(err.contains("held by run other"), "{err}");

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}  lock_wait: 1h\n")).unwrap();
    let begun = std::time::Instant::now();
    let (code, out, err) = tenure(&["run", &file, "--timeout", "1s"]);
    assert!(begun.elapsed().as_millis() < 3_000, "{:?}", begun.elapsed());
    assert_eq!((code, &result(&out)["stopped_by"]), (124, &"timeout".into()), "{err}");
    assert_eq!(record(folder.path(), &result(&out))["status"], "cancelled");
    assert!(!folder.path().join("out/movements.parquet").exists());
    drop(held);
}

#[test]
fn a_panic_of_the_engine_is_told_with_the_run() {
    let (folder, file) = started();
    let (code, out, err) = tenure(&["run", &file, "--panic", "--log-format", "json"]);
    let result = result(&out);
    assert_eq!((code, &result["exit_code"]), (70, &70.into()));
    assert!(
        err.contains(&format!(
            "internal error in run {}: asked to panic by a test",
            result["run_id"].as_str().unwrap()
        )),
        "{err}"
    );
    assert_eq!(record(folder.path(), &result)["status"], "failed");
    for line in err.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

#[test]
fn parameters_come_from_the_flag_then_the_variable_then_the_default() {
    let (folder, file) = started();
    let data = folder.path().join("data");
    std::fs::rename(&data, folder.path().join("moved")).unwrap();
    let vars =
        [("TENURE_PARAM_EXPORTS".to_owned(), "moved".to_owned()), ("TENURE_PARAM_UNKNOWN".to_owned(), "x".to_owned())];
    let world = World { vars: vars.into(), ..World::default() };
    assert_eq!(tenure(&["check", &file]).0, 5);
    assert_eq!(tenure_in(&world, &["check", &file]).0, 0);
    assert_eq!(tenure_in(&world, &["check", &file, "--param", "exports=data"]).0, 5);
    assert_eq!(tenure(&["check", &file, "--param", "exports=moved"]).0, 0);
    let (code, _, err) = tenure(&["check", &file, "--param", "export=moved"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn a_sample_is_made_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("s");
    let args = ["sample", "--customers", "60", "--seed", "7", "--out", out.to_str().unwrap(), "--ids", "bigint"];
    let (code, told, err) = tenure(&args);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(told.contains("\n60 customers, "), "{told}");
    assert_eq!(tenure(&["sample", "--customers", "0", "--out", out.to_str().unwrap()]).0, 2);
    std::fs::write(out.join("mine.txt"), "x").unwrap();
    assert_eq!(tenure(&args).0, 2);
    let (code, _, err) = tenure(&["inspect", out.join("mine.txt").to_str().unwrap()]);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("mine.txt"));
    let (code, rows, _) = tenure(&["show", out.join("customers").to_str().unwrap(), "-n", "1", "--format", "json"]);
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<serde_json::Value>(&rows).unwrap()["customer_id"].is_i64(), "{rows}");
}
