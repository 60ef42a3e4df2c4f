//! Throughput of the CLIXML codec on an object such as a `Get-…` cmdlet of Exchange sends: 40
//! properties, enums, lists and a nested object among them.
#![allow(missing_docs, reason = "criterion's macros generate the public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use owaim_proto::clixml::{Limits, Object, Value, decode, encode};

fn object() -> Value {
    let version = Object::new()
        .with_types([
            "Microsoft.Exchange.Data.ExchangeObjectVersion",
            "System.Object",
        ])
        .with_string("0.10 (14.0.100.0)")
        .with("Major", Value::Byte(0))
        .with("Minor", Value::Byte(10))
        .with_note("SerializationData", vec![0x5A; 300]);
    let mut object = Object::new()
        .with_types([
            "Deserialized.Microsoft.Exchange.Data.Directory.Management.ADOwaVirtualDirectory",
            "Deserialized.Microsoft.Exchange.Data.Directory.ADObject",
            "Deserialized.System.Object",
        ])
        .with_string("owa (Default Web Site)")
        .with("ExchangeVersion", version);
    for number in 0..10 {
        let name = |kind: &str| format!("{kind}Property{number}");
        let list = vec![Value::from("Basic"), Value::from("Fba")];
        let kind = Object::enumeration(
            "Microsoft.Exchange.Data.Directory.InstantMessagingType",
            "Ocs",
            1,
        );
        object = object
            .with(
                &name("Text"),
                "CN=owa (Default Web Site),CN=HTTP,CN=Protocols,DC=litwareinc,DC=com",
            )
            .with(&name("Flag"), true)
            .with(&name("Enum"), kind)
            .with(&name("List"), list);
    }
    object.into()
}

fn clixml(criterion: &mut Criterion) {
    let value = object();
    let xml = encode(&value);
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("clixml");
    group.throughput(Throughput::Bytes(xml.len() as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decode(black_box(&xml), &limits));
    });
    group.bench_function("encode", |bencher| {
        bencher.iter(|| encode(black_box(&value)));
    });
    group.finish();
}

criterion_group!(benches, clixml);
criterion_main!(benches);
