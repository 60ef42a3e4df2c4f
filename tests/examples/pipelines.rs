//! One session, many pipelines: `pipelines ENDPOINTS.json COUNT whole|selected`, for `scripts/bench-clients.sh`.
//!
//! Asks for every OWA virtual directory COUNT times, over one NTLM session at the Exchange endpoint of an endpoint file: for
//! all that it has, or for the 40 properties of `bench_properties.txt`. Reads what comes back, and prints as JSON how many there
//! were. As the directory alone is asked, no time goes by at the servers that hold them.

use owaim_inventory::EndpointKind;
use owaim_lab::EndpointsFile;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{Client, Connect as _, Endpoint, TransportError};

/// What is asked for, a name a line.
const PROPERTIES: &str = include_str!("../python/bench_properties.txt");

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let given = (arguments.next(), arguments.next(), arguments.next());
    let (Some(path), Some(count), Some(what)) = given else {
        return Err("expected: pipelines ENDPOINTS.json COUNT whole|selected".into());
    };
    let count: usize = count.parse()?;
    let pipeline =
        Pipeline::new(Command::new("Get-OwaVirtualDirectory").switch("ADPropertiesOnly"));
    let pipeline = match what.as_str() {
        "whole" => pipeline,
        "selected" => {
            let names: Vec<Value> = PROPERTIES.lines().map(Value::from).collect();
            pipeline.pipe(Command::new("Select-Object").with("Property", names))
        }
        _ => return Err("expected whole or selected".into()),
    };
    let file = EndpointsFile::read(path.as_ref())?;
    let entry = file
        .endpoints
        .iter()
        .find(|entry| entry.kind == EndpointKind::Exchange)
        .ok_or("no exchange endpoint in that file")?;
    let endpoint = by_ntlm(entry);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (objects, properties) = runtime.block_on(run(&endpoint, &pipeline, count))?;
    #[expect(clippy::print_stdout, reason = "its answer")]
    {
        println!("{{\"objects\": {objects}, \"properties\": {properties}}}");
    }
    Ok(())
}

async fn run(
    endpoint: &Endpoint,
    pipeline: &Pipeline,
    count: usize,
) -> Result<(usize, usize), TransportError> {
    let mut session = Client::default().connect(endpoint).await?;
    let (mut objects, mut properties) = (0, 0);
    for _ in 0..count {
        let output = session.run(pipeline).await?;
        for object in output.objects() {
            objects += 1;
            properties += property_count(object);
        }
    }
    session.close().await;
    Ok((objects, properties))
}

fn property_count(value: &Value) -> usize {
    value
        .as_object()
        .map_or(0, |object| object.adapted.len() + object.extended.len())
}
