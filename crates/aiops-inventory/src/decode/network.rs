//! Services, EndpointSlices and OpenShift Routes.
//!
//! Addresses of endpoints are counted and not kept.

use super::{
    json::{Int, Pairs, Present, Text, slim},
    meta::{ConditionJson, Keep, MetaJson, Naming},
};
use crate::rows::{EndpointSliceRow, RouteRow, ServiceRow, Truth};

slim! {
    ServiceJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": ServiceSpecJson<'a>, status "status": ServiceStatusJson }
    ServiceSpecJson<'a> {
        r#type "type": Text<'a>,
        selector "selector": Pairs<'a>,
        ports "ports": Vec<PortJson<'a>>,
        cluster_ip "clusterIP": Text<'a>,
    }
    PortJson<'a> { port "port": Int, protocol "protocol": Text<'a> }
    ServiceStatusJson { load_balancer "loadBalancer": BalancerJson }
    BalancerJson { ingress "ingress": Vec<Present> }
    SliceJson<'a> { metadata "metadata": MetaJson<'a>, endpoints "endpoints": Vec<EndpointJson> }
    EndpointJson { conditions "conditions": EndpointConditionsJson }
    EndpointConditionsJson { ready "ready": Option<bool> }
    RouteJson<'a> { metadata "metadata": MetaJson<'a>, spec "spec": RouteSpecJson<'a>, status "status": RouteStatusJson<'a> }
    RouteSpecJson<'a> { host "host": Text<'a>, to "to": BackendJson<'a> }
    BackendJson<'a> { name "name": Text<'a> }
    RouteStatusJson<'a> { ingress "ingress": Vec<IngressJson<'a>> }
    IngressJson<'a> { conditions "conditions": Vec<ConditionJson<'a>> }
}

impl Keep<'_> {
    pub(super) fn service(&mut self, json: &ServiceJson<'_>) -> Result<ServiceRow, serde_json::Error> {
        let spec = &json.spec;
        let service_type = if spec.r#type.is_empty() { "ClusterIP" } else { &*spec.r#type };
        let ports: Vec<_> = spec
            .ports
            .iter()
            .map(|port| {
                let protocol = if port.protocol.is_empty() { "TCP" } else { &*port.protocol };
                self.name(&format!("{}/{protocol}", port.port.0))
            })
            .collect();
        Ok(ServiceRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            service_type: self.name(service_type),
            selector: self.labels(&spec.selector),
            ports: self.shared.names.share(ports),
            cluster_ip: self.word(&spec.cluster_ip),
            has_ingress: (service_type == "LoadBalancer")
                .then(|| json.status.load_balancer.ingress.iter().any(|ingress| ingress.0)),
        })
    }

    pub(super) fn endpoint_slice(
        &mut self,
        json: &SliceJson<'_>,
    ) -> Result<EndpointSliceRow, serde_json::Error> {
        let meta = self.meta(&json.metadata, Naming::Own)?;
        let count = |wanted: bool| {
            let found =
                json.endpoints.iter().filter(|e| e.conditions.ready.unwrap_or(true) == wanted).count();
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        Ok(EndpointSliceRow {
            service: meta.labels.get("kubernetes.io/service-name").cloned().unwrap_or_default(),
            ready: count(true),
            not_ready: count(false),
            meta,
        })
    }

    pub(super) fn route(&mut self, json: &RouteJson<'_>) -> Result<RouteRow, serde_json::Error> {
        let mut verdicts =
            json.status.ingress.iter().flat_map(|i| &i.conditions).filter(|c| &*c.r#type == "Admitted");
        let admitted = verdicts.clone().any(|c| c.truth() == Truth::True);
        let refusal = verdicts.find(|c| c.truth() == Truth::False).filter(|_| !admitted);
        Ok(RouteRow {
            meta: self.meta(&json.metadata, Naming::Shared)?,
            host: self.name(&json.spec.host),
            service: self.name(&json.spec.to.name),
            admitted: if admitted { Some(true) } else { refusal.map(|_| false) },
            reason: refusal.map(|c| self.word(&c.reason)).unwrap_or_default(),
        })
    }
}
