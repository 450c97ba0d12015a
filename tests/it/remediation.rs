//! From the question to the verified fix over MCP, with the real engine on the model API server: the calls that a model
//! makes, what they cost it, and what was done to the cluster.
//!
//! Time is moved by hand, faster than it passes; nothing waits for luck.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use aiops::{
    config,
    mcp::{Desk, Server},
    shutdown::Tasks,
    telemetry::Metrics,
};
use aiops_engine::{
    Coordinator, Engine, SharedInventory,
    coordination::{Coordination, PolicyRule},
    coordinator::Parts,
    model::{Millis, plan::Approval},
    ports::{Clock, Cluster, Ids, Timer, acting::Acting},
    settings::Settings,
    testing::{
        memory_store::MemoryStore,
        model::{Key, Model, Symptom, Trouble, build},
    },
    workflow::Executor,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use serde_json::{Value, json};

const GOOD: &str = "registry.test/web:1.9";
const BAD: &str = "registry.test/web:2.0";
/// How fast time passes: so much of it, each time that the machine looks.
const TICK: Millis = 500;

/// A clock that is moved by hand.
struct Hands(AtomicI64);

impl Hands {
    fn pass(&self, millis: Millis) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.ticks()).unwrap()
    }
}

#[async_trait]
impl Timer for Hands {
    fn ticks(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_until(&self, ticks: Millis) {
        while self.ticks() < ticks {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn unique(&self) -> String {
        format!("01k3x9f2m4q7{:04}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// A cluster with one broken rollout, the engine over it, and a client.
struct World {
    model: Model,
    client: RunningService<RoleClient, ()>,
    tasks: Tasks,
    deployment: Key,
}

impl World {
    async fn new(settings: Settings) -> Self {
        let begin: Timestamp = "2026-11-27T11:00:00Z".parse().unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(begin.as_millisecond())));
        let clock: Arc<dyn Clock> = hands.clone();
        let model = Model::new(clock.clone());
        model.set_times(SignedDuration::from_secs(2), SignedDuration::from_secs(1));
        model.put("kubectl", build::namespace("kube-system"));
        model.put("kubectl", build::namespace("shop"));
        model.put("kubectl", build::node("n1"));
        let pass = |seconds: i64| {
            for _ in 0..seconds {
                hands.pass(1_000);
                model.settle(8);
            }
        };
        let deployment = model.put("kubectl", build::deployment("shop", "web", GOOD, 3));
        pass(60);
        // The second revision is good too, so that there is one to go back to.
        model.ail(Symptom {
            image: BAD.to_owned(),
            command: None,
            trouble: Trouble::Pull { message: format!("Failed to pull image \"{BAD}\": manifest unknown") },
        });
        set_image(&model, &deployment, BAD);
        pass(700);

        let inventory = SharedInventory::default();
        model.relist();
        model.feed(&inventory);
        let uid = "5b1a6c1e-0000-4000-8000-000000000001";
        inventory.change(|rows| rows.set_info(|info| info.uid = uid.into()));
        let cluster: Arc<dyn Cluster> = Arc::new(model.clone());
        let acting: Arc<dyn Acting> = Arc::new(model.clone());
        let engine = Engine::new(inventory.clone(), Some(cluster), clock.clone());
        let coordinator = Coordinator::new(Parts {
            engine: engine.clone(),
            store: Arc::new(MemoryStore::new(clock)),
            acting: Some(acting),
            ids: Arc::new(Counted::default()),
            settings,
        });
        let tasks = Tasks::new();
        let timer: Arc<dyn Timer> = hands.clone();
        let ending = tasks.ending();
        let executor = Executor::new(&coordinator, "test", Arc::clone(&timer));
        tasks
            .spawn("test.executor", async move { executor.run(4, async { ending.cancelled().await }).await });
        let (sweeper, ending) = (coordinator.clone(), tasks.ending());
        tasks.spawn("test.sweep", async move {
            tokio::select! {
                () = sweeper.sweep_loop(&*timer) => {}
                () = ending.cancelled() => {}
            }
        });
        let (world, ending) = (model.clone(), tasks.ending());
        tasks.spawn("test.time", async move {
            while !ending.is_cancelled() {
                hands.pass(TICK);
                world.settle(8);
                world.feed(&inventory);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let coordination: Arc<dyn Coordination> = Arc::new(coordinator);
        let desk = Desk::new(engine, Some(coordination), "ada");
        let server = Server::new(desk, &config::Mcp::default(), Arc::new(Metrics::new()), tasks.clone());
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        tasks.spawn("test.server", async move {
            let (read, write) = tokio::io::split(ours);
            server.streams(read, write).await.unwrap();
        });
        let client = ().serve(theirs).await.unwrap();
        Self { model, client, tasks, deployment }
    }

    async fn ask(&self, tool: &str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.client.call_tool(call).await.unwrap()
    }

    async fn answer(&self, tool: &str, arguments: Value) -> Value {
        let result = self.ask(tool, arguments).await;
        assert_eq!(result.is_error, Some(false), "{tool}: {result:?}");
        result.structured_content.unwrap()
    }

    /// The incident of the broken rollout, once the sweep has opened it. The question is what is counted, not the waiting.
    async fn question(&self) -> Value {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.answer("list-incidents", json!({"status": "active"})).await;
            if answer["count"] != 0 {
                return answer;
            }
            assert!(tokio::time::Instant::now() < deadline, "no incident was opened");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn image(&self) -> String {
        let object = self.model.object(&self.deployment).unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    fn effects(&self) -> Vec<String> {
        let effects =
            self.model.journal().into_iter().filter(|entry| entry.is_effect() && entry.actor == "aiops");
        effects.map(|entry| format!("{:?} {}", entry.verb, entry.key.name)).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

fn set_image(model: &Model, deployment: &Key, image: &str) {
    let changed = model.edit("kubectl", deployment, |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    });
    assert!(changed);
}

fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base().unwrap().encode_ordinary(text).len()
}

/// A policy in which everything needs an approval.
fn careful() -> Settings {
    let mut settings = Settings::default();
    settings.policy.rules = vec![PolicyRule {
        name: "careful".to_owned(),
        namespaces: Vec::new(),
        severities: Vec::new(),
        actions: Vec::new(),
        then: Approval::Approve,
        autonomy: false,
        elicitation: false,
        annotation: false,
    }];
    settings
}

fn cost(answers: &[Value]) {
    let counts: Vec<usize> = answers.iter().map(|answer| tokens(&answer.to_string())).collect();
    assert!(answers.len() <= 3 && counts.iter().sum::<usize>() <= 1_500, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_image_goes_from_question_to_verified_in_three_calls() {
    let world = World::new(Settings::default()).await;
    let asked = world.question().await;
    let incident = asked["incidents"][0].clone();
    assert_eq!(incident["target"], "Deployment shop/web");
    let plan = world.answer("plan-remediation", json!({"incident_id": incident["id"]})).await;
    assert_eq!(plan["remedy"], "rollback-to-good-revision", "{plan}");
    assert_eq!(plan["steps"][0]["dry_run_accepted"], true, "{plan}");
    assert!(plan["steps"][0]["diff"].to_string().contains(GOOD), "{plan}");
    assert_eq!(world.effects(), Vec::<String>::new(), "a plan changes nothing");
    let order = json!({"incident_id": incident["id"], "digest": plan["digest"], "wait": 60});
    let done = world.answer("trigger-remediation", order).await;
    assert_eq!((&done["phase"], &done["status"]), (&json!("completed"), &json!("completed")), "{done}");
    assert_eq!(world.image(), GOOD);
    assert_eq!(world.effects().len(), 1, "{:?}", world.effects());
    let workflow = done["workflow_id"].clone();
    cost(&[asked, plan, done]);
    let closed = world.answer("get-incident", json!({"incident_id": incident["id"]})).await;
    assert_eq!((&closed["status"], &closed["workflows"][0]["workflow_id"]), (&json!("completed"), &workflow));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_policy_wants_an_approval_it_is_three_calls_too() {
    let world = World::new(careful()).await;
    let asked = world.question().await;
    let id = asked["incidents"][0]["id"].clone();
    let waits = world.answer("trigger-remediation", json!({"incident_id": id, "wait": 60})).await;
    assert_eq!(
        (&waits["phase"], &waits["awaiting"]["rule"]),
        (&json!("awaiting_approval"), &json!("policy/careful"))
    );
    assert!(waits["steps"][0]["diff"].to_string().contains(GOOD), "the plan is shown: {waits}");
    assert_eq!(world.effects(), Vec::<String>::new());
    let approval =
        json!({"workflow_id": waits["workflow_id"], "digest": waits["awaiting"]["digest"], "wait": 60});
    // Forged, it is refused and nothing happens.
    let forged = json!({"workflow_id": waits["workflow_id"], "digest": "0".repeat(64)});
    assert_eq!(world.ask("approve-workflow", forged).await.is_error, Some(true));
    assert_eq!(world.effects(), Vec::<String>::new());
    let done = world.answer("approve-workflow", approval.clone()).await;
    assert_eq!(done["phase"], "completed", "{done}");
    assert_eq!((world.image().as_str(), world.effects().len()), (GOOD, 1));
    cost(&[asked, waits, done]);
    // Replayed, it does nothing.
    assert_eq!(world.ask("approve-workflow", approval).await.is_error, Some(true));
    assert_eq!(world.effects().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fix_that_does_not_help_is_undone_and_the_answer_says_why() {
    let world = World::new(careful()).await;
    let id = world.question().await["incidents"][0]["id"].clone();
    let waits = world.answer("trigger-remediation", json!({"incident_id": id, "wait": 60})).await;
    assert_eq!(waits["phase"], "awaiting_approval");
    // Since it was planned, the image to go back to is gone as well.
    world.model.ail(Symptom {
        image: GOOD.to_owned(),
        command: None,
        trouble: Trouble::Pull { message: format!("Failed to pull image \"{GOOD}\": manifest unknown") },
    });
    let approval =
        json!({"workflow_id": waits["workflow_id"], "digest": waits["awaiting"]["digest"], "wait": 120});
    let mut done = world.answer("approve-workflow", approval).await;
    for _ in 0..5 {
        if done["completed_at"].is_string() {
            break;
        }
        done = world.answer("get-workflow", json!({"workflow_id": waits["workflow_id"], "wait": 60})).await;
    }
    assert_eq!((&done["phase"], &done["rolled_back"]), (&json!("rolled_back"), &json!(true)), "{done}");
    assert!(done["reason"].as_str().is_some_and(|why| !why.is_empty()), "{done}");
    assert_eq!((world.image().as_str(), world.effects().len()), (BAD, 2), "{:?}", world.effects());
    println!("{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_and_everything_that_only_reads_change_nothing() {
    let world = World::new(Settings::default()).await;
    let id = world.question().await["incidents"][0]["id"].clone();
    let dry = world.answer("trigger-remediation", json!({"incident_id": id, "dry_run": true})).await;
    assert_eq!(
        (&dry["dry_run"], &dry["plan"]["remedy"]),
        (&json!(true), &json!("rollback-to-good-revision")),
        "{dry}"
    );
    let named = json!({"namespace": "shop", "kind": "Deployment", "name": "web"});
    let method = world.answer("detect-deployment-method", named).await;
    assert_eq!(method["method"], "manual", "{method}");
    assert_eq!(world.answer("list-workflows", json!({})).await["total"], 0, "a dry run is not kept");
    assert_eq!((world.image().as_str(), world.effects()), (BAD, Vec::new()));
}
