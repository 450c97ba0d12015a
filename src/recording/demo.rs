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
    "logs/ingress/ingress-nginx-cdf9d6997-gbk8t/ingress-nginx.log",
    "logs/ingress/ingress-nginx-cdf9d6997-p8s5k/ingress-nginx.log",
    "logs/payments/payments-db-0/payments-db.log",
    "logs/payments/payments-db-1/payments-db.log",
    "logs/payments/payments-worker-78f46b867-mqtsf/payments-worker.log",
    "logs/payments/payments-worker-78f46b867-mqtsf/payments-worker.previous.log",
    "logs/payments/settlement-export-29929620-5cgq4/export.log",
    "logs/payments/settlement-export-29929620-5mxlh/export.log",
    "logs/shop/cart-67fcd6d98c-72g46/cart.log",
    "logs/shop/cart-67fcd6d98c-h9dhd/cart.log",
    "logs/shop/cart-67fcd6d98c-pz55g/cart.log",
    "logs/shop/checkout-68f94c4957-77gdw/checkout.log",
    "logs/shop/checkout-68f94c4957-77gdw/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-lrj9b/checkout.log",
    "logs/shop/checkout-68f94c4957-lrj9b/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-swpmr/checkout.log",
    "logs/shop/checkout-68f94c4957-swpmr/checkout.previous.log",
    "logs/shop/checkout-68f94c4957-zkmd2/checkout.log",
    "logs/shop/checkout-68f94c4957-zkmd2/checkout.previous.log",
    "logs/shop/frontend-bfd666985-hl5xh/frontend.log",
    "logs/shop/frontend-bfd666985-nhbdk/frontend.log",
    "logs/shop/frontend-bfd666985-nm2qh/frontend.log",
    "logs/shop/frontend-bfd666985-twvqz/frontend.log",
    "logs/shop/frontend-bfd666985-vls8c/frontend.log",
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
