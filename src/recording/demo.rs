//! The files of the recording that is embedded in the binary: `examples/clusters/checkout-outage`.
//!
//! The list is written by that folder's `make/make.py`; nothing is chosen here.

macro_rules! embed {
    ($($path:literal,)*) => {
        pub(super) const FILES: &[(&str, &[u8])] = &[$((
            $path,
            include_bytes!(concat!("../../examples/clusters/checkout-outage/", $path)),
        ),)*];
    };
}

embed! {
    "apiservices.json",
    "configmaps.json",
    "cronjobs.json",
    "daemonsets.json",
    "deployments.json",
    "endpointslices.json",
    "events.json",
    "horizontalpodautoscalers.json",
    "ingresses.json",
    "jobs.json",
    "limitranges.json",
    "logs/ingress/ingress-nginx-cdf9d6997-r9xkr/ingress-nginx.log",
    "logs/ingress/ingress-nginx-cdf9d6997-s7n9f/ingress-nginx.log",
    "logs/payments/payments-db-0/payments-db.log",
    "logs/payments/payments-db-1/payments-db.log",
    "logs/payments/payments-worker-78f46b867-77nb2/payments-worker.log",
    "logs/payments/payments-worker-78f46b867-77nb2/payments-worker.previous.log",
    "logs/payments/settlement-export-29929595-7rfl2/export.log",
    "logs/payments/settlement-export-29929595-mtfhm/export.log",
    "logs/payments/settlement-export-29929600-9lxnb/export.log",
    "logs/payments/settlement-export-29929600-sh5c6/export.log",
    "logs/payments/settlement-export-29929605-cnpkb/export.log",
    "logs/payments/settlement-export-29929605-ddb4m/export.log",
    "logs/shop/cart-67fcd6d98c-bqtg6/cart.log",
    "logs/shop/cart-67fcd6d98c-jmgfk/cart.log",
    "logs/shop/cart-67fcd6d98c-kjq64/cart.log",
    "logs/shop/checkout-68f94c4957-2m9t8/checkout.log",
    "logs/shop/checkout-68f94c4957-2m9t8/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-4ww9h/checkout.log",
    "logs/shop/checkout-68f94c4957-4ww9h/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-9bxgw/checkout.log",
    "logs/shop/checkout-68f94c4957-9bxgw/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-mltnm/checkout.log",
    "logs/shop/checkout-68f94c4957-mltnm/checkout.previous.log",
    "logs/shop/frontend-bfd666985-5kj8s/frontend.log",
    "logs/shop/frontend-bfd666985-8dn2n/frontend.log",
    "logs/shop/frontend-bfd666985-cl9xw/frontend.log",
    "logs/shop/frontend-bfd666985-fkczr/frontend.log",
    "logs/shop/frontend-bfd666985-g5rdj/frontend.log",
    "namespaces.json",
    "nodes.json",
    "persistentvolumeclaims.json",
    "persistentvolumes.json",
    "poddisruptionbudgets.json",
    "pods.json",
    "recording.yaml",
    "replicasets.json",
    "resourcequotas.json",
    "services.json",
    "statefulsets.json",
    "storageclasses.json",
}
