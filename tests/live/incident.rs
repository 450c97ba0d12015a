//! An incident from the question to its verified repair, on a real control plane, as README says it: over MCP by HTTP and as
//! a desktop client spawns it, by curl, and by `aiops`; and one whose repair does not help, which is undone.
//!
//! `UPDATE_README=1` writes the transcript instead of comparing it (`make transcript`).

mod transcript;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Desktop, Dice, Options, Plane, Scenario, Served, Told};

/// Detectors, the watch and the control plane get this long to show the fault.
const SOON: Duration = Duration::from_secs(120);
/// What a fault may cost a model, in o200k tokens of answers (issue: 1,500), and how many calls.
const MOST_TOKENS: usize = 1_500;
const MOST_CALLS: usize = 3;

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The scenario under names of its own.
async fn play(plane: &Plane, dice: &mut Dice) -> Scenario {
    let scenario = Scenario::load("bad-image", dice);
    scenario.play(plane).await;
    scenario
}

/// What a model reads of one fault.
#[derive(Default)]
struct Read {
    calls: usize,
    tokens: usize,
}

impl Read {
    fn take(&mut self, told: &Told) -> Value {
        assert!(!told.is_error, "{}", told.text);
        self.calls += 1;
        self.tokens += tiktoken_rs::o200k_base().unwrap().encode_ordinary(&told.text).len();
        told.facts.clone()
    }

    fn within_bounds(&self, way: &str) {
        println!("{way}: {} calls, {} tokens of answers", self.calls, self.tokens);
        assert!(self.calls <= MOST_CALLS && self.tokens <= MOST_TOKENS, "{way}: {} tokens", self.tokens);
    }
}

/// The id of the incident about this Deployment, among what a list told.
fn incident_about(listed: &Value, name: &str) -> Option<String> {
    let about = format!("/{name}");
    let rows = listed["incidents"].as_array()?;
    let row =
        rows.iter().find(|row| row["target"].as_str().is_some_and(|target| target.ends_with(&about)))?;
    row["id"].as_str().map(str::to_owned)
}

fn both_are_listed(told: &Told, scenario: &Scenario) -> bool {
    ["name", "other"].iter().all(|which| incident_about(&told.facts, scenario.value(which)).is_some())
}

/// A plan, or what waits for an approval, shows its diff and that the API server accepted the dry run.
fn is_shown(step: &Value, scenario: &Scenario, which: &str) {
    let (bad, good) = match which {
        "name" => (scenario.value("image"), scenario.value("good")),
        _ => (scenario.value("otherImage"), scenario.value("otherGood")),
    };
    // A line of a difference is cut where names are long.
    let (good, _) = good.rsplit_once(':').unwrap();
    assert!(step["diff"].to_string().contains(&format!("{bad} -> {good}")), "{step}");
    assert_eq!(step["dry_run_accepted"], true, "{step}");
}

async fn runs(plane: &Plane, scenario: &Scenario, which: &str, image: &str) {
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/{}",
        scenario.value("namespace"),
        scenario.value(which)
    );
    let found = plane.get(&path).await.unwrap();
    assert_eq!(found["spec"]["template"]["spec"]["containers"][0]["image"], scenario.value(image));
    let marks = found["metadata"]["annotations"].to_string();
    if which == "other" {
        assert!(!marks.contains("aiops.io/"), "what was undone leaves no mark: {marks}");
    }
}

/// Verified, with what was seen.
fn is_verified(end: &Value) {
    assert_eq!((&end["phase"], &end["status"]), (&json!("completed"), &json!("completed")), "{end}");
    assert!(end["checks"].to_string().contains("3 of 3 pods"), "{end}");
}

/// Undone, and why: the pods of the revision that it went back to do not start.
fn is_undone(end: &Value) {
    assert_eq!((&end["phase"], &end["rolled_back"]), (&json!("rolled_back"), &json!(true)), "{end}");
    let why = end["reason"].as_str().unwrap();
    assert!(why.contains("did not help") && why.contains("CreateContainerConfigError"), "{why}");
}

/// A call holds its answer back for so many seconds at most; on a slow machine it is asked again for the end.
fn is_over(told: &Value) -> bool {
    ["completed", "failed"].contains(&told["status"].as_str().unwrap())
}

fn again(told: &Value) -> Value {
    json!({"workflow_id": told["workflow_id"], "wait": 25})
}

/// A connection that says nothing for ten seconds is closed; each call has its own.
async fn call(served: &Served, tool: &str, arguments: &Value) -> Told {
    served.open().await.call(tool, arguments).await
}

async fn over_http(plane: &Plane, scenario: &Scenario, served: &Served) {
    let within = json!({"namespace": scenario.value("namespace")});
    let mut open = served.open().await;
    let (told, _) =
        open.until("list-incidents", &within, "both", SOON, |told| both_are_listed(told, scenario)).await;
    for which in ["name", "other"] {
        let mut read = Read::default();
        let listed = read.take(&told);
        let incident = incident_about(&listed, scenario.value(which)).unwrap();
        let plan = read.take(&call(served, "plan-remediation", &json!({"incident_id": incident})).await);
        assert_eq!(plan["approval"], "auto", "{plan}");
        is_shown(&plan["steps"][0], scenario, which);
        let order = json!({"incident_id": incident, "digest": plan["digest"], "wait": 50});
        let mut end = read.take(&call(served, "trigger-remediation", &order).await);
        let until = Instant::now() + SOON;
        while !is_over(&end) {
            assert!(Instant::now() < until, "it never ends: {end}");
            end = read.take(&call(served, "get-workflow", &again(&end)).await);
        }
        read.within_bounds(&format!("HTTP, {}", end["phase"]));
        if which == "name" {
            is_verified(&end);
            runs(plane, scenario, which, "good").await;
        } else {
            is_undone(&end);
            runs(plane, scenario, which, "otherImage").await;
        }
    }
}

/// As a desktop client spawns it, under a policy that asks first.
async fn over_stdio(plane: &Plane, scenario: &Scenario, desktop: &mut Desktop) {
    let within = json!({"namespace": scenario.value("namespace")});
    let told = desktop.until("list-incidents", &within, "both", SOON, |told| both_are_listed(told, scenario));
    for which in ["name", "other"] {
        let mut read = Read::default();
        let listed = read.take(&told);
        let incident = incident_about(&listed, scenario.value(which)).unwrap();
        let waits =
            read.take(&desktop.call("trigger-remediation", &json!({"incident_id": incident, "wait": 50})));
        assert_eq!(waits["phase"], "awaiting_approval", "{waits}");
        assert_eq!(waits["awaiting"]["rule"], "policy/ask-first", "{waits}");
        is_shown(&waits["steps"][0], scenario, which);
        runs(plane, scenario, which, if which == "name" { "image" } else { "otherImage" }).await;
        let approval = json!({
            "workflow_id": waits["workflow_id"], "digest": waits["awaiting"]["digest"], "wait": 50,
        });
        let mut end = read.take(&desktop.call("approve-workflow", &approval));
        let until = Instant::now() + SOON;
        while !is_over(&end) {
            assert!(Instant::now() < until, "it never ends: {end}");
            end = read.take(&desktop.call("get-workflow", &again(&end)));
        }
        read.within_bounds(&format!("stdio, {}", end["phase"]));
        if which == "name" {
            is_verified(&end);
            runs(plane, scenario, which, "good").await;
        } else {
            is_undone(&end);
            runs(plane, scenario, which, "otherImage").await;
        }
    }
}

/// The lines of README that begin with this, between its heading and the next.
fn commands(heading: &str, begins: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(top("README.md")).unwrap();
    let found = readme.split_once(&format!("\n## {heading}\n"));
    let (_, after) = found.unwrap_or_else(|| panic!("no section {heading}"));
    let section = after.split("\n## ").next().unwrap();
    let lines = section.replace("\\\n", "");
    let commands = lines.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.filter(|line| line.starts_with(begins)).map(str::to_owned).collect()
}

/// Runs a line of README in a shell that knows these variables.
fn shell(line: &str, variables: &[(&str, &str)]) -> Output {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]).env_clear().envs(variables.iter().copied());
    shell.env("PATH", format!("{}:/usr/bin:/bin", bin().display())).current_dir("/").output().unwrap()
}

fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_aiops")).parent().unwrap()
}

fn json_of(output: &Output, line: &str) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{line}: {e}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs the line until its answer has what is wanted.
fn until(line: &str, variables: &[(&str, &str)], wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + SOON;
    loop {
        let answer = json_of(&shell(line, variables), line);
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{line}: not as wanted: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Every line of README's REST section, in its order, with its variables filled in.
async fn by_curl(plane: &Plane, scenario: &Scenario, state: &Path, address: &str) {
    let lines = commands("REST", "curl ");
    let [list, plan, trigger, approve, events] = lines.as_slice() else { panic!("{lines:#?}") };
    let url = format!("http://{address}/api/v1");
    let socket = state.join("aiops.sock");
    for which in ["name", "other"] {
        let mut known = vec![("url", url.as_str()), ("socket", socket.to_str().unwrap())];
        known.push(("namespace", scenario.value("namespace")));
        let about = format!("Deployment/{}", scenario.value(which));
        let row = |answer: &Value| {
            let rows = answer["incidents"].as_array().unwrap();
            rows.iter().find(|row| row["resource"] == about.as_str()).cloned()
        };
        let listed = until(list, &known, |answer| row(answer).is_some());
        let incident = row(&listed).unwrap()["id"].as_str().unwrap().to_owned();
        known.push(("incident", &incident));
        let planned = json_of(&shell(plan, &known), plan);
        let proof = &planned["steps"][0]["proof"];
        assert_eq!(
            (&planned["approval"], &proof["accepted"]),
            (&json!("approve"), &json!(true)),
            "{planned}"
        );
        assert_eq!(proof["diff"].as_array().map(|lines| !lines.is_empty()), Some(true), "{planned}");
        let digest = planned["digest"].as_str().unwrap().to_owned();
        known.push(("digest", &digest));
        let begun = json_of(&shell(trigger, &known), trigger);
        let workflow = begun["workflow_id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
        known.push(("workflow", &workflow));
        // The plan has to be made before anybody can agree to it.
        let decided = until(approve, &known, |answer| answer["success"] != false);
        assert_eq!(decided["id"], workflow.as_str(), "{decided}");
        let told = shell(events, &known);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let last = told.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
        let end: Value = serde_json::from_str(last).unwrap();
        if which == "name" {
            assert_eq!(end["phase"], "completed", "{end}");
            runs(plane, scenario, which, "good").await;
        } else {
            is_undone(&end);
            runs(plane, scenario, which, "otherImage").await;
        }
    }
}

/// The lines of README's section on repairing, in a shell without a port or a token: over the socket.
async fn by_aiops(plane: &Plane, scenario: &Scenario, state: &Path) {
    let lines = commands("Repairing", "aiops ");
    let find = |begin: &str| {
        lines.iter().rfind(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {lines:#?}"))
    };
    let (list, plan) = (find("aiops incident list"), find("aiops call plan-remediation"));
    let (trigger, approve) = (find("aiops call trigger-remediation"), find("aiops workflow approve"));
    let (watch, report) = (find("aiops workflow watch"), find("aiops incident report"));
    let home = state.parent().unwrap();
    for which in ["name", "other"] {
        let known = [("AIOPS_STATEDIR", state.to_str().unwrap()), ("HOME", home.to_str().unwrap())];
        let about = format!("Deployment/{}", scenario.value(which));
        let row = |answer: &Value| {
            let rows = answer["incidents"].as_array().unwrap();
            rows.iter().find(|row| row["resource"] == about.as_str()).cloned()
        };
        let listed = until(&with(list, &[], " -o json"), &known, |answer| row(answer).is_some());
        let incident = row(&listed).unwrap()["id"].as_str().unwrap().to_owned();
        let planned = shell(&with(plan, &[("inc-…", &incident)], ""), &known);
        let shown = String::from_utf8_lossy(&planned.stdout).into_owned();
        assert!(shown.contains("dry_run_accepted: true") && shown.contains("diff"), "{planned:?}");
        let digest = shown.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned();
        let order =
            with(trigger, &[("inc-…", &incident), ("digest=…", &format!("digest={digest}"))], " -o json");
        let begun = json_of(&shell(&order, &known), &order);
        let workflow = begun["workflow_id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
        let approve = with(approve, &[("wf-…", &workflow)], &format!(" --digest {digest}"));
        let end = Instant::now() + SOON;
        while !shell(&approve, &known).status.success() {
            assert!(Instant::now() < end, "{approve}: {:?}", shell(&approve, &known));
            std::thread::sleep(Duration::from_millis(200));
        }
        let watched = shell(&with(watch, &[("wf-…", &workflow)], ""), &known);
        let seen = String::from_utf8_lossy(&watched.stdout).into_owned();
        let reported = shell(&with(report, &[("inc-…", &incident), (" > post-mortem.md", "")], ""), &known);
        let reported = String::from_utf8_lossy(&reported.stdout).into_owned();
        if which == "name" {
            assert!(watched.status.success() && seen.contains("phase completed"), "{seen}");
            assert!(reported.contains("The target was seen healthy"), "{reported}");
            runs(plane, scenario, which, "good").await;
        } else {
            assert_eq!(watched.status.code(), Some(1), "{seen}");
            let why = String::from_utf8_lossy(&watched.stderr).into_owned();
            assert!(why.contains("did not help") && why.contains("CreateContainerConfigError"), "{why}");
            assert!(reported.contains("CreateContainerConfigError"), "{reported}");
            runs(plane, scenario, which, "otherImage").await;
        }
    }
}

/// A line without its comment, with words replaced and more at its end.
fn with(line: &str, words: &[(&str, &str)], more: &str) -> String {
    let line = line.split("  #").next().unwrap().trim_end();
    let line = words.iter().fold(line.to_owned(), |line, (word, by)| line.replace(word, by));
    line + more
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_found_planned_approved_watched_and_verified_through_every_door() {
    let plane = Plane::own(&Options { nodes: 3, ..Options::default() }).await;
    let mut dice = Dice::new();
    let home = tempfile::tempdir().unwrap();
    let admin = plane.kubeconfig("admin").to_str().unwrap().to_owned();
    let first = home.path().join("auto");
    let state = first.to_str().unwrap();
    let base = [("KUBECONFIG", admin.as_str()), ("HOME", home.path().to_str().unwrap())];
    {
        let by_http = play(&plane, &mut dice).await;
        let served = Served::start(&["--mode", "full", "--state-dir", state], &base);
        over_http(&plane, &by_http, &served).await;
    }
    // The others share a state directory: a server that executes, a desktop client's process and the command line.
    let policy = top("examples/ask-first.toml");
    let mut asking = base.to_vec();
    asking.push(("AIOPS_POLICY__FILE", policy.to_str().unwrap()));
    let shared = home.path().join("ask-first");
    let flags = ["--mode", "full", "--state-dir", shared.to_str().unwrap()];
    let served = Served::start(&flags, &asking);
    let curl = play(&plane, &mut dice).await;
    by_curl(&plane, &curl, &shared, served.address()).await;
    let cli = play(&plane, &mut dice).await;
    by_aiops(&plane, &cli, &shared).await;
    let stdio = play(&plane, &mut dice).await;
    let mut desktop = Desktop::start(&flags, &asking);
    over_stdio(&plane, &stdio, &mut desktop).await;
}
