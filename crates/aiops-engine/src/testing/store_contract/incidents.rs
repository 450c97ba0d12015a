//! Incidents: opened once, counted, closed, opened again, listed.

use std::sync::Arc;

use super::{Bench, Found, holds, listed, same, samples::*};
use crate::{
    audit::CONTROL,
    issue::Severity,
    model::{
        ids::IncidentId,
        incident::{Incident, IncidentSource, IncidentStatus},
        target::Target,
    },
    ports::store::{Filing, IncidentFilter, Report, Reported, StoreError, Write},
};

listed![
    an_incident_is_kept_as_it_was_reported,
    reports_of_one_trouble_are_one_incident,
    a_named_incident_takes_the_report_while_it_is_open,
    a_used_id_is_replaced_and_remembered,
    reports_come_in_order_and_together,
    many_reports_at_once_are_one_incident,
    an_incident_is_closed_and_opened_again,
    an_incident_that_is_opened_by_hand_is_in_the_audit_once,
    two_incidents_of_one_trouble_are_not_open,
    incidents_are_listed_and_counted_by_filter,
    what_was_closed_lately_is_read_alone,
    an_incident_of_alerts_is_over_when_the_last_of_them_is,
    an_incident_is_filed_where_it_belongs,
];

fn all() -> IncidentFilter {
    IncidentFilter { limit: 100, ..IncidentFilter::default() }
}

async fn an_incident_is_kept_as_it_was_reported(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let reported = store.report(&[report("web", now)]).await?;
    let new = Reported { id: inc("web"), is_new: true, occurrences: 1 };
    same("the answer", reported, vec![new])?;
    same("the incident", store.incident(&inc("web")).await?, Some(incident("web", now)))?;
    same("another", store.incident(&inc("none")).await?, None)?;
    same("nothing reported", store.report(&[]).await?, vec![])
}

async fn reports_of_one_trouble_are_one_incident(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.report(&[report("web", now)]).await?;
    let mut worse = report("web", now + 50);
    worse.incident.id = inc("second");
    worse.incident.severity = Severity::Critical;
    worse.incident.body.title = "another title".to_owned();
    let reported = store.report(std::slice::from_ref(&worse)).await?;
    let counted = Reported { id: inc("web"), is_new: false, occurrences: 2 };
    same("the answer", reported, vec![counted])?;
    worse.incident.severity = Severity::Low;
    worse.incident.last_seen = now - 50;
    store.report(&[worse]).await?;
    let kept = store.incident(&inc("web")).await?.ok_or("it is gone")?;
    let wanted = Incident {
        severity: Severity::Critical,
        occurrences: 3,
        last_seen: now + 50,
        ..incident("web", now)
    };
    same("the incident", kept, wanted)?;
    same("the second", store.incident(&inc("second")).await?, None)
}

async fn a_named_incident_takes_the_report_while_it_is_open(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.report(&[report("web", now)]).await?;
    let named = Report { into: Some(inc("web")), ..report("db", now + 1) };
    let reported = store.report(std::slice::from_ref(&named)).await?;
    same("the answer", reported, vec![Reported { id: inc("web"), is_new: false, occurrences: 2 }])?;
    let closed = entry("resolved", now + 2);
    store
        .set_incident(&inc("web"), &[IncidentStatus::Active], IncidentStatus::Resolved, None, &closed)
        .await?;
    let reported = store.report(&[named]).await?;
    same("after it was closed", reported, vec![Reported { id: inc("db"), is_new: true, occurrences: 1 }])
}

async fn a_used_id_is_replaced_and_remembered(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.report(&[report("web", now)]).await?;
    let mut same_id = report("db", now);
    same_id.incident.id = inc("web");
    let reported = store.report(&[same_id]).await?;
    let other = reported.first().ok_or("nothing was reported")?;
    holds("it is new", other.is_new && other.id != inc("web"))?;
    let kept = store.incident(&other.id).await?.ok_or("it is not there")?;
    same("the id it asked for", kept.body.external_id, Some("inc-web".to_owned()))?;
    holds("the id is one", IncidentId::parse(other.id.as_str()).is_ok())
}

async fn reports_come_in_order_and_together(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let reports = [report("a", now), report("b", now), report("a", now + 1), report("c", now)];
    let reported = store.report(&reports).await?;
    let told: Vec<_> = reported.iter().map(|r| (r.id.as_str(), r.is_new, r.occurrences)).collect();
    let wanted = vec![("inc-a", true, 1), ("inc-b", true, 1), ("inc-a", false, 2), ("inc-c", true, 1)];
    same("the answers", told, wanted)?;
    same("opened since", store.incidents_since(now).await?, 3)?;
    same("opened later", store.incidents_since(now + 1).await?, 0)
}

async fn many_reports_at_once_are_one_incident(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut running = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&store);
        let mut one = report("web", now);
        one.incident.id = inc(&format!("i{n}"));
        running.spawn(async move { store.report(&[one]).await });
    }
    let mut opened = 0;
    while let Some(done) = running.join_next().await {
        opened += done??.iter().filter(|r| r.is_new).count();
    }
    same("opened", opened, 1)?;
    let kept = store.incidents(&all()).await?;
    same("incidents", kept.total, 1)?;
    same("reports", kept.rows.first().map(|i| i.occurrences), Some(40))
}

async fn an_incident_that_is_opened_by_hand_is_in_the_audit_once(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.report(&[report("db", now)]).await?;
    let with_line = |name: &str| Report { line: Some(entry("incident_opened", now)), ..report(name, now) };
    let mut named = with_line("web");
    named.incident.id = inc("db");
    let reported = store.report(&[named, with_line("web"), with_line("db")]).await?;
    let opened = reported.iter().find(|r| r.is_new).ok_or("none is new")?;
    let lines = store.audit(CONTROL, 0, 10).await?;
    let told: Vec<_> = lines.iter().map(|l| (l.entry.action.clone(), l.entry.object.clone())).collect();
    // Under the id it got, and not for what was only counted.
    same("the lines", told, vec![("incident_opened".to_owned(), opened.id.to_string())])
}

async fn an_incident_is_closed_and_opened_again(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    store.report(&[report("web", now)]).await?;
    let id = inc("web");
    let open = [IncidentStatus::Active, IncidentStatus::Failed];
    let to = IncidentStatus::Resolved;
    store.set_incident(&id, &open, to, Some("was the disk"), &entry("resolved", now + 3)).await?;
    let kept = store.incident(&id).await?.ok_or("it is gone")?;
    same("its status", kept.status, to)?;
    same("its end", kept.closed_at, Some(now + 3))?;
    same("its resolution", kept.body.resolution.as_deref(), Some("was the disk"))?;
    let again = store.set_incident(&id, &open, to, None, &entry("again", now + 4)).await;
    holds("twice is refused", matches!(again, Err(StoreError::Changed(_))))?;
    let nobody = store.set_incident(&inc("none"), &open, to, None, &entry("none", now)).await;
    holds("nothing is refused", matches!(nobody, Err(StoreError::Changed(_))))?;
    let reopened = entry("reopened", now + 5);
    store.set_incident(&id, &[to], IncidentStatus::Active, None, &reopened).await?;
    let kept = store.incident(&id).await?.ok_or("it is gone")?;
    same("it is open", kept.closed_at, None)?;
    same("it does not say how it was closed", kept.body.resolution, None)?;
    let lines = store.audit(crate::audit::CONTROL, 0, 9).await?;
    crate::audit::verify(&lines)?;
    let actions: Vec<_> = lines.iter().map(|line| line.entry.action.as_str()).collect();
    same("the audit", actions, vec!["resolved", "reopened"])
}

async fn two_incidents_of_one_trouble_are_not_open(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let web = keep(&*store, "web", now).await?;
    let (id, to) = (inc("web"), IncidentStatus::Resolved);
    store.set_incident(&id, &IncidentStatus::ALL, to, None, &entry("resolved", now)).await?;
    let mut second = report("web", now + 1);
    second.incident.id = inc("second");
    store.report(&[second]).await?;
    let active = IncidentStatus::Active;
    let refused = store.set_incident(&id, &[to], active, None, &entry("reopened", now)).await;
    holds("by hand it is refused", matches!(refused, Err(StoreError::Changed(_))))?;
    let write = Write::Incident { id: id.clone(), status: IncidentStatus::Failed, closed_at: None };
    let refused = store.commit(&web.id, None, &[write]).await;
    holds("by a workflow too", matches!(refused, Err(StoreError::Changed(_))))?;
    let none = Write::Incident { id: inc("none"), status: active, closed_at: None };
    let refused = store.commit(&web.id, None, &[none]).await;
    holds("nothing is not changed", matches!(refused, Err(StoreError::Changed(_))))?;
    let kept = store.incident(&id).await?.ok_or("it is gone")?;
    same("its status", kept.status, to)
}

async fn incidents_are_listed_and_counted_by_filter(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut reports = Vec::new();
    for (n, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let mut one = report(name, now + i64::try_from(n)?);
        if name == "b" {
            one.incident.severity = Severity::Low;
            one.incident.target = Target::known("Node", "", "n1");
            one.incident.body.reported_target = Some("shop".to_owned());
        }
        if name == "c" {
            one.incident.source = IncidentSource::Detector;
        }
        if name == "d" {
            one.incident.target.namespace = "pay".to_owned();
        }
        reports.push(one);
    }
    store.report(&reports).await?;
    let to = IncidentStatus::Cancelled;
    store.set_incident(&inc("c"), &[IncidentStatus::Active], to, None, &entry("x", now)).await?;
    let names = |rows: &[Incident]| rows.iter().map(|i| i.id.to_string()).collect::<Vec<_>>();
    let listed = store.incidents(&all()).await?;
    same(
        "all, newest first",
        names(&listed.rows),
        ["inc-d", "inc-c", "inc-b", "inc-a"].map(str::to_owned).to_vec(),
    )?;
    let page = store.incidents(&IncidentFilter { limit: 2, offset: 1, ..all() }).await?;
    same("a page", names(&page.rows), ["inc-c", "inc-b"].map(str::to_owned).to_vec())?;
    same("its total", page.total, 4)?;
    let of = |filter: IncidentFilter| {
        let store = Arc::clone(&store);
        async move { store.incidents(&filter).await.map(|listed| (listed.total, names(&listed.rows))) }
    };
    let shop = IncidentFilter { namespace: Some("shop".to_owned()), ..all() };
    same("in shop", of(shop.clone()).await?.0, 3)?;
    let low = IncidentFilter { severity: Some(Severity::Low), ..all() };
    same("low ones", of(low).await?.1, vec!["inc-b".to_owned()])?;
    let active = IncidentFilter { status: vec![IncidentStatus::Active], ..shop.clone() };
    same("active in shop", of(active).await?.0, 2)?;
    let two = vec![IncidentStatus::Active, IncidentStatus::Cancelled];
    same("of two states", of(IncidentFilter { status: two, ..all() }).await?.0, 4)?;
    let all_sources = of(IncidentFilter { source: IncidentSource::ALL.to_vec(), ..all() }).await?.0;
    same("of all sources", all_sources, 4)?;
    for source in IncidentSource::ALL {
        let these = listed.rows.iter().filter(|i| i.source == source).map(|i| i.id.to_string()).collect();
        same(source.as_str(), of(IncidentFilter { source: vec![source], ..all() }).await?.1, these)?;
    }
    let by = store.incident_counts(&shop).await?.by;
    let wanted = vec![
        (IncidentStatus::Active, Severity::High, 1),
        (IncidentStatus::Active, Severity::Low, 1),
        (IncidentStatus::Cancelled, Severity::High, 1),
    ];
    same("counts in shop", by, wanted)
}

async fn what_was_closed_lately_is_read_alone(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    for n in 0..5_i64 {
        // The one that was opened last is closed first.
        let name = format!("i{n}");
        store.report(&[report(&name, now - n)]).await?;
        let line = entry("incident_closed", now + n);
        let active = [IncidentStatus::Active];
        store.set_incident(&inc(&name), &active, IncidentStatus::Resolved, None, &line).await?;
    }
    store.report(&[report("open", now)]).await?;
    let ids = |found: Vec<Incident>| found.into_iter().map(|incident| incident.id).collect::<Vec<_>>();
    let lately = store.closed_since(now + 2, 10).await?;
    same("the last first", ids(lately), vec![inc("i4"), inc("i3"), inc("i2")])?;
    same("some", ids(store.closed_since(now, 2).await?), vec![inc("i4"), inc("i3")])?;
    let whole = store.closed_since(now + 4, 10).await?;
    same("as it is kept", whole.first().cloned(), store.incident(&inc("i4")).await?)?;
    same("none", store.closed_since(now + 5, 10).await?, vec![])?;
    let open = IncidentFilter { status: vec![IncidentStatus::Active], ..all() };
    let listed = store.incidents(&open).await?;
    same("the open one", (ids(listed.rows), listed.total), (vec![inc("open")], 1))
}

async fn an_incident_of_alerts_is_over_when_the_last_of_them_is(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let alerts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let of = |name: &str, source, firing: &[&str]| {
        let mut one = report(name, now);
        one.incident.source = source;
        one.incident.body.firing = alerts(firing).into_iter().collect();
        one
    };
    let (alert, detector) = (IncidentSource::Alert, IncidentSource::Detector);
    store
        .report(&[of("web", alert, &["a"]), of("web", alert, &["b", "c"]), of("db", detector, &["a"])])
        .await?;
    let line = entry("incident_closed", now + 3);
    let (web, close) = (inc("web"), Some(("over", &line)));
    same("one of three", store.quiet(&web, &alerts(&["b", "x"]), close).await?, false)?;
    let kept = store.incident(&web).await?.ok_or("it is gone")?;
    same("what fires", kept.body.firing.into_iter().collect(), alerts(&["a", "c"]))?;
    same("the last, without a word", store.quiet(&web, &alerts(&["a", "c"]), None).await?, false)?;
    same("it is open", store.incident(&web).await?.and_then(|i| i.closed_at), None)?;
    same("the word", store.quiet(&web, &[], close).await?, true)?;
    let kept = store.incident(&web).await?.ok_or("it is gone")?;
    same("its status", kept.status, IncidentStatus::Resolved)?;
    same("its resolution", kept.body.resolution.as_deref(), Some("over"))?;
    same("twice", store.quiet(&web, &[], close).await?, false)?;
    same("a detector's", store.quiet(&inc("db"), &alerts(&["a"]), close).await?, false)?;
    let nobody = store.quiet(&inc("none"), &[], close).await;
    holds("nothing is refused", matches!(nobody, Err(StoreError::Changed(_))))?;
    let lines = store.audit(crate::audit::CONTROL, 0, 9).await?;
    same("the audit", lines.len(), 1)
}

async fn an_incident_is_filed_where_it_belongs(bench: Arc<dyn Bench>) -> Found {
    let (store, now) = (bench.store(), bench.now());
    let mut early = report("early", now);
    early.incident.cluster.clear();
    early.incident.body.firing = ["a".to_owned()].into();
    store.report(&[early.clone(), report("web", now + 5)]).await?;
    let target = Target::known("Deployment", "shop", "early");
    let filing = |fingerprint: &str| Filing {
        cluster: "c".to_owned(),
        target: target.clone(),
        fingerprint: fingerprint.to_owned(),
    };
    let id = inc("early");
    let line = entry("incident_filed", now + 6);
    same("alone", store.file_incident(&id, &filing("new"), &line).await?, Some(id.clone()))?;
    let kept = store.incident(&id).await?.ok_or("it is gone")?;
    let found = (kept.cluster.as_str(), kept.fingerprint.as_str(), &kept.target, kept.occurrences);
    same("where it is", found, ("c", "new", &target, 1))?;
    let web = store.incident(&inc("web")).await?.ok_or("it is gone")?;
    let other = store.file_incident(&id, &filing(&web.fingerprint), &line).await?;
    same("beside another", other, Some(inc("web")))?;
    let kept = store.incident(&id).await?.ok_or("it is gone")?;
    same("its status", (kept.status, kept.closed_at), (IncidentStatus::Cancelled, Some(now + 6)))?;
    let other = store.incident(&inc("web")).await?.ok_or("it is gone")?;
    same("both reports", (other.occurrences, other.first_seen), (2, now))?;
    holds("what fires goes along", other.body.firing.contains("a"))?;
    same("a closed one", store.file_incident(&id, &filing("other"), &line).await?, None)?;
    same("nothing", store.file_incident(&inc("none"), &filing("other"), &line).await?, None)
}
