//! A broker that the service reaches through a [`Proxy`].

use std::sync::{Mutex, OnceLock, PoisonError};

use super::broker::{self, Broker, Extra, Jdk, skip};
use super::proxy::Proxy;

/// A broker with a second listener, which clients reach through the proxy alone.
pub struct Setup {
    /// Past the proxy.
    pub plain: Broker,
    pub proxy: Proxy,
    _broker: Jdk,
}

impl Setup {
    /// Runs a test with the one broker that such tests share, one after the other: what is planned for a proxy is for one
    /// test.
    pub fn with(test: impl FnOnce(&Setup)) {
        static SETUP: OnceLock<Mutex<Option<Setup>>> = OnceLock::new();
        let setup = SETUP.get_or_init(|| Mutex::new(Setup::find()));
        let setup = setup.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(setup) = &*setup {
            test(setup);
        }
    }

    /// A port that was free a moment ago may be another broker's by now: a second try has others.
    pub fn find() -> Option<Self> {
        match Self::start().or_else(|_| Self::start()) {
            Ok(setup) => Some(setup),
            Err(reason) => {
                skip(&reason);
                None
            }
        }
    }

    fn start() -> Result<Self, String> {
        let proxy = Proxy::listen();
        let port = broker::free_port().unwrap();
        proxy.forward_to(port);
        let properties = format!(
            "listeners=PLAINTEXT://127.0.0.1:PLAINTEXT_PORT,CONTROLLER://127.0.0.1:CONTROLLER_PORT,PROXIED://127.0.0.1:{port}
advertised.listeners=PLAINTEXT://127.0.0.1:PLAINTEXT_PORT,PROXIED://127.0.0.1:{}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
",
            proxy.port()
        );
        let jdk = Jdk::start_with(|_| {
            Ok(Extra {
                properties,
                format: Vec::new(),
            })
        })?;
        Ok(Self {
            plain: broker::at(&jdk.servers()),
            proxy,
            _broker: jdk,
        })
    }

    /// Through the proxy.
    pub fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.proxy.port())
    }
}
