//! [`Server`]: a [`Replay`] behind a socket, and what a scenario needs to get there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_proto::psrp::{Command, Payload};
use owaim_transport::{
    Authentication, ClientOptions, Credential, Endpoint, PoolOptions, Retry, Secret, ShellOptions,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::allowed::{Allowed, Extra};
use crate::conversation::{self, Exchange};
use crate::key::SessionKeys;
use crate::replay::{Recorded, Replay, Reply};
use crate::request::Request;

/// How long a request may wait for those before it.
const ITS_TURN: Duration = Duration::from_secs(3);

/// A recorded server that listens, as scenarios see it. One per conversation.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<State>,
    url: String,
    /// The scripts that were run, in order.
    scripts: Arc<[String]>,
}

struct State {
    replay: Mutex<Replay>,
    progress: Notify,
    /// How long the answer to an empty Receive takes.
    patience: Mutex<Duration>,
}

impl Server {
    /// Starts to listen. The task that does ends with the runtime.
    pub(crate) async fn start(name: &str, exchanges: &[Exchange], keys: SessionKeys) -> Self {
        let recorded = exchanges.iter().map(|exchange| {
            let request = exchange.request.as_deref().unwrap_or_default();
            Recorded {
                request: Request::parse(request).unwrap_or_else(|error| panic!("{name}: {error}")),
                response: exchange.response.clone(),
            }
        });
        let state = Arc::new(State {
            replay: Mutex::new(Replay::new(recorded.collect(), keys)),
            progress: Notify::new(),
            patience: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wsman", listener.local_addr().unwrap());
        let server = Self {
            state: Arc::clone(&state),
            url,
            scripts: scripts(name, exchanges),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        server
    }

    /// Where it is, and as whom to go there.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint_of("Microsoft.PowerShell")
    }

    /// The same, for another session configuration.
    pub(crate) fn endpoint_of(&self, configuration: &str) -> Endpoint {
        let authentication = Authentication::Basic {
            credential: Credential {
                username: "username".into(),
                password: Secret::new("password".into()),
            },
            allow_plaintext: true,
        };
        Endpoint::new("replay", self.url.as_str(), configuration, authentication)
    }

    /// The text of the script that was run as the `index`th, where it is too long to be stated.
    pub(crate) fn script(&self, index: usize) -> &str {
        &self.scripts[index]
    }

    /// Lets a difference be, in this conversation.
    pub(crate) fn allow(&self, allowed: Allowed) {
        self.replay().allow(allowed);
    }

    /// Answers one request that was not recorded.
    pub(crate) fn expect(&self, extra: Extra) {
        self.replay().expect(extra);
    }

    /// Takes its time over a Receive that brings nothing.
    pub(crate) fn hang(&self, patience: Duration) {
        *lock(&self.state.patience) = patience;
    }

    fn replay(&self) -> MutexGuard<'_, Replay> {
        lock(&self.state.replay)
    }

    /// What went wrong, once all is over, and which allowed differences occurred.
    pub(crate) fn finish(&self) -> (Vec<String>, Vec<&'static str>) {
        self.replay().finish()
    }
}

/// What the recorded client was told to be like.
pub(crate) fn client() -> ClientOptions {
    ClientOptions {
        operation_timeout: Duration::from_secs(20),
        receive_limit: 153_600,
        retry: Retry::NEVER,
        ..ClientOptions::default()
    }
}

/// The same, for pools.
pub(crate) fn pools() -> PoolOptions {
    PoolOptions {
        client: client(),
        name: None,
        ..PoolOptions::default()
    }
}

/// The same, for shells.
pub(crate) fn shells() -> ShellOptions {
    ShellOptions {
        client: client(),
        ..ShellOptions::default()
    }
}

fn scripts(name: &str, exchanges: &[Exchange]) -> Arc<[String]> {
    let mut found = Vec::new();
    for (message, from_server) in conversation::messages(name, exchanges) {
        if from_server {
            continue;
        }
        if let Ok(Payload::CreatePipeline(create)) =
            Payload::decode(message.kind, &message.data, None)
        {
            let scripts = create
                .pipeline
                .commands()
                .filter(|command| command.is_script);
            found.extend(scripts.map(|command: &Command| command.name.clone()));
        }
    }
    found.into()
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(body)) = request(&mut stream).await {
        let reply = match body {
            None => Reply::Answer(401, String::new()),
            Some(body) => reply(&body, &state).await,
        };
        let Reply::Answer(status, body) = reply else {
            return;
        };
        let head = format!(
            "HTTP/1.1 {status} -\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nWWW-Authenticate: Basic\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        if stream
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The body of the next request, `None` in it if it does not say who sends it; `None` at the end.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Option<String>>> {
    let (mut length, mut is_named) = (0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        is_named |= line.starts_with("authorization: basic ");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(is_named.then_some(body)))
}

/// The reply, when it is the request's turn. Requests that come at the same time come in the recorded order.
async fn reply(body: &str, state: &State) -> Reply {
    let request = match Request::parse(body) {
        Ok(request) => request,
        Err(problem) => {
            lock(&state.replay).complain(problem);
            return Reply::Close;
        }
    };
    loop {
        let progress = state.progress.notified();
        let reply = lock(&state.replay).reply(&request);
        if let Some(reply) = reply {
            state.progress.notify_waiters();
            if let Reply::Answer(_, body) = &reply
                && body.contains("<rsp:ReceiveResponse></rsp:ReceiveResponse>")
            {
                let patience = *lock(&state.patience);
                tokio::time::sleep(patience).await;
            }
            return reply;
        }
        if tokio::time::timeout(ITS_TURN, progress).await.is_err() {
            lock(&state.replay)
                .complain(format!("not recorded at this place: {}", request.title()));
            return Reply::Close;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
