//! [`BasicAuth`]: verifies passwords for a program's own handlers and services, just as the file service does for
//! files. The program decides which paths require a password.

use std::sync::Arc;

use super::account::Account;
use super::auth::Gate;
use crate::http::{HttpError, Request, Status};

/// Verifies the credentials of requests (Basic authentication, RFC 7617) for a program's own handlers and services. For
/// files, use [`FileServiceBuilder::auth`](super::FileServiceBuilder::auth) and
/// [`auth_under`](super::FileServiceBuilder::auth_under).
///
/// Clones share their accounts. Passwords are sent unencrypted unless the server uses TLS.
///
/// ```
/// use serve_forever::files::{Account, BasicAuth};
/// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
/// use serve_forever::{service::Response, testing::answer};
///
/// struct Notes(BasicAuth);
/// impl RequestHandler for Notes {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
///         let user = self.0.user(x.request())?;
///         x.set_user(&user);
///         x.respond(Response::text(format!("the notes of {user}")))
///     }
/// }
///
/// let auth = BasicAuth::new("Notes", [Account::new("ann", "secret")]);
/// let notes = || Handlers::new({ let auth = auth.clone(); move || Notes(auth.clone()) });
/// let refused = answer(notes(), b"GET / HTTP/1.0\r\n\r\n");
/// assert!(refused.starts_with(b"HTTP/1.1 401 Unauthorized\r\n"));
/// // `YW5uOnNlY3JldA==` is `ann:secret` in Base64.
/// let page = answer(notes(), b"GET / HTTP/1.0\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n");
/// assert!(page.ends_with(b"the notes of ann"));
/// ```
#[derive(Debug, Clone)]
pub struct BasicAuth {
    gate: Arc<Gate>,
}

impl BasicAuth {
    /// Creates a verifier that accepts these accounts. Browsers show `realm` in the password dialog; quotes and
    /// backslashes are removed from it.
    pub fn new(realm: &str, accounts: impl IntoIterator<Item = Account>) -> BasicAuth {
        BasicAuth { gate: Arc::new(Gate::new(realm, &accounts.into_iter().collect::<Vec<_>>())) }
    }

    /// Returns the user whose name and password are in the request. The check takes as long for a wrong name as for a
    /// wrong password.
    ///
    /// If an account has a bcrypt hash, the first check of new credentials takes about 50 ms. No other client is served
    /// in the meantime; [`verification`](BasicAuth::verification) avoids that.
    ///
    /// # Errors
    /// Returns an [`HttpError`] with status 401 and the challenge for the client, if the credentials are missing or
    /// wrong.
    pub fn user(&self, request: &Request) -> Result<Arc<str>, HttpError> {
        self.gate.admits(request.headers()).ok_or_else(|| unauthorized(&self.gate))
    }

    /// Returns a closure that performs the same check as [`user`](BasicAuth::user) and can be called on a worker
    /// thread.
    ///
    /// ```no_run
    /// # use serve_forever::{files::BasicAuth, handler::Exchange};
    /// # fn handle(auth: &BasicAuth, x: &Exchange<'_>) -> std::io::Result<()> {
    /// let user = x.offload(auth.verification(x.request()))??;
    /// # Ok(()) }
    /// ```
    pub fn verification(&self, request: &Request) -> impl FnOnce() -> Result<Arc<str>, HttpError> + Send + 'static {
        let gate = Arc::clone(&self.gate);
        let credentials = gate.credentials(request.headers());
        move || {
            credentials.and_then(|credentials| gate.admits_credentials(&credentials)).ok_or_else(|| unauthorized(&gate))
        }
    }
}

fn unauthorized(gate: &Gate) -> HttpError {
    let error = HttpError::new(Status::UNAUTHORIZED);
    // A realm with a control character cannot be sent. The response is then a 401 without the challenge.
    error.clone().header("WWW-Authenticate", gate.challenge()).unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: &str) -> Request {
        Request::builder("GET", "/").header("Authorization", authorization).build()
    }

    #[test]
    fn only_the_right_password_names_a_user_at_once_and_on_a_worker() {
        // 4 is the lowest cost of bcrypt.
        let hash = bcrypt::hash("secret", 4).unwrap();
        for account in [Account::new("ann", "secret"), format!("ann:{hash}").parse().unwrap()] {
            let auth = BasicAuth::new("A \"b\"", [account]);
            // In decoded form: ann:secret, ann:wrong, bob:secret, and a scheme other than Basic.
            for (authorization, user) in [
                ("Basic YW5uOnNlY3JldA==", Some("ann")),
                ("Basic YW5uOndyb25n", None),
                ("Basic Ym9iOnNlY3JldA==", None),
                ("Bearer YW5uOnNlY3JldA==", None),
            ] {
                let request = request(authorization);
                let later = std::thread::spawn(auth.verification(&request)).join().unwrap();
                for result in [auth.user(&request), later] {
                    assert_eq!(result.as_deref().ok(), user, "{authorization}");
                    let Err(error) = result else { continue };
                    let response = crate::service::Response::from(error);
                    assert_eq!(response.status, Status::UNAUTHORIZED);
                    let challenge = response.head.get("WWW-Authenticate");
                    assert_eq!(challenge, Some(&b"Basic realm=\"A b\", charset=\"UTF-8\""[..]));
                }
            }
        }
    }
}
