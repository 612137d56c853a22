//! Chooses between a script and the fallback, both for a client's request and for a local redirect (RFC 3875 section
//! 6.2.2).
//!
//! `script` finds the file of a script, and `run` runs it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::context::ScriptContext;
use super::run::{RunProgress, ScriptRun};
use super::script::find;
use crate::files::Gate;
use crate::http::{FieldBlock, Method, Request, Status, UrlPath};
#[cfg(feature = "harness")]
use crate::service::Fault;
use crate::service::{Registrar, Reply, Response, Upstream};

/// The maximum number of local redirects for one request.
const MOST_REDIRECTS: u8 = 8;

/// The value of the `Allow` field in the 405 response to a TRACE request. Scripts also receive requests with unknown
/// methods, which cannot be listed.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Responds to a request. `redirects` is the number of local redirects so far.
pub(super) fn respond(context: &Arc<ScriptContext>, request: &Request, redirects: u8) -> Reply {
    let path = UrlPath::parse(request.path()).ok();
    let Some(path) = path.filter(|path| context.directories.contain(path)) else {
        // A path that cannot be decoded goes to the fallback, which refuses it.
        return context.with_fallback(|fallback| fallback.call(request));
    };
    // The credentials are verified before the file is looked up, so that unauthenticated clients cannot find out which
    // scripts exist.
    let user = match &context.gate {
        Some(gate) => match gate.admits(request.headers()) {
            Some(user) => Some(user),
            None => return unauthorized(gate).into(),
        },
        None => None,
    };
    if *request.method() == Method::Trace {
        return Response { user, ..method_not_allowed() }.into();
    }
    match find(&context.root, &context.directories, context.hidden, &path) {
        Ok(script) => {
            let may_redirect = redirects < MOST_REDIRECTS;
            let run = ScriptRun::new(Arc::clone(context), request.clone(), script, may_redirect);
            let responder = Responder::Script(Box::new(run));
            Reply::Later(Box::new(ScriptUpstream { context: Arc::clone(context), responder, user, redirects }))
        }
        Err(none) => Response { user, ..none.response() }.into(),
    }
}

fn unauthorized(gate: &Gate) -> Response {
    let mut response = Response::error(Status::UNAUTHORIZED);
    response.head.put("WWW-Authenticate", gate.challenge());
    response
}

fn method_not_allowed() -> Response {
    let mut response = Response::error(Status::METHOD_NOT_ALLOWED);
    response.head.put("Allow", ALLOW);
    response
}

/// The upstream of a request for a script. After a local redirect, it passes on the response to the redirected request.
struct ScriptUpstream {
    context: Arc<ScriptContext>,
    responder: Responder,
    /// The authenticated user, for the log.
    user: Option<Arc<str>>,
    /// The number of local redirects so far.
    redirects: u8,
}

/// The producer of the response: the script, or the upstream of a redirected request.
enum Responder {
    Script(Box<ScriptRun>),
    /// The upstream of the redirected request. That request has no body and no `Upgrade` field, so this upstream
    /// receives no bytes from the client.
    Elsewhere(Box<dyn Upstream>),
    /// The response to the redirected request was available immediately and has been returned, so there is nothing left
    /// to poll.
    Done,
}

impl Upstream for ScriptUpstream {
    fn reads_on(&self) -> bool {
        matches!(&self.responder, Responder::Script(run) if run.reads_on())
    }

    fn wants_body(&self) -> bool {
        matches!(&self.responder, Responder::Script(run) if run.wants_body())
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        match &mut self.responder {
            Responder::Script(run) => Ok(run.feed(body)),
            Responder::Elsewhere(_) | Responder::Done => Ok(0),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if let Responder::Script(run) = &mut self.responder {
            run.end_body();
        }
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let response = self.advance(registrar)?;
        // The exchange keeps the authenticated user of the original request, even if the fallback responds. Scripts may
        // have no accounts while the fallback has some.
        Ok(response.map(|response| Response { user: self.user.clone().or(response.user), ..response }))
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        self.elsewhere().and_then(Upstream::take_interim)
    }

    #[cfg(feature = "harness")]
    fn take_fault(&mut self) -> Option<Fault> {
        self.elsewhere().and_then(Upstream::take_fault)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.responder {
            Responder::Script(run) => run.deadline(),
            Responder::Elsewhere(upstream) => upstream.deadline(),
            Responder::Done => None,
        }
    }
}

impl ScriptUpstream {
    /// The upstream of the redirected request.
    fn elsewhere(&mut self) -> Option<&mut (dyn Upstream + 'static)> {
        match &mut self.responder {
            Responder::Elsewhere(upstream) => Some(&mut **upstream),
            Responder::Script(_) | Responder::Done => None,
        }
    }

    fn advance(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let redirected = match &mut self.responder {
            Responder::Script(run) => match run.poll(registrar)? {
                RunProgress::NotYet => return Ok(None),
                RunProgress::Response(response) => return Ok(Some(response)),
                RunProgress::Redirect(target) => run.request().redirected(&target),
            },
            Responder::Elsewhere(upstream) => return upstream.poll(registrar),
            Responder::Done => return Ok(None),
        };
        self.redirect(&redirected, registrar)
    }

    /// Responds to the redirected request.
    fn redirect(&mut self, request: &Request, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        // Dropping the run closes its pipes, so the next script can register its own pipes in the same slots.
        self.responder = Responder::Done;
        match respond(&self.context, request, self.redirects + 1) {
            Reply::Now(response) => Ok(Some(response)),
            Reply::Later(mut upstream) => {
                // The first script consumed the body, so the redirected request has none.
                upstream.end()?;
                let response = upstream.poll(registrar)?;
                self.responder = Responder::Elsewhere(upstream);
                Ok(response)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgi::CgiService;
    use crate::cgi::test_registrar::TestRegistrar;
    use crate::files::Account;
    use crate::service::Service;

    #[test]
    fn a_response_without_a_script_has_the_user_for_the_log() {
        let builder = CgiService::builder("src").auth(Account::new("ann", "secret"));
        let service = builder.build(|_: &Request| Response::text("")).unwrap();
        for (method, status) in [("TRACE", Status::METHOD_NOT_ALLOWED), ("GET", Status::NOT_FOUND)] {
            let request = Request::builder(method, "/cgi-bin/none");
            let request = request.header("Authorization", "Basic YW5uOnNlY3JldA==").build();
            let Reply::Now(response) = service.call(&request) else { panic!("a script runs for {method}") };
            assert_eq!((response.status, response.user.as_deref()), (status, Some("ann")), "{method}");
        }
    }

    #[test]
    fn the_user_of_a_redirected_response_is_kept_if_scripts_have_no_accounts() {
        let fallback = |_: &Request| Response { user: Some("bob".into()), ..Response::text("") };
        let context = CgiService::builder("src").build(fallback).unwrap().context();
        for (user, logged) in [(None, "bob"), (Some("ann".into()), "ann")] {
            let Reply::Now(response) = respond(&context, &Request::builder("GET", "/a").build(), 1) else { panic!() };
            let responder = Responder::Elsewhere(Box::new(Ready(Some(response))));
            let mut upstream = ScriptUpstream { context: Arc::clone(&context), responder, user, redirects: 1 };
            let response = upstream.poll(&mut TestRegistrar::new()).unwrap().unwrap();
            assert_eq!(response.user.as_deref(), Some(logged));
        }
    }

    /// An upstream with an interim response, and with a response that is available.
    struct Ready(Option<Response>);

    impl Upstream for Ready {
        fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn end(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
            Ok(self.0.take())
        }

        fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
            Some((Status::EARLY_HINTS, FieldBlock::new()))
        }
    }

    #[test]
    fn interim_responses_to_the_redirected_request_are_passed_on() {
        let context = CgiService::builder("src").build(|_: &Request| Response::text("")).unwrap().context();
        let responder = Responder::Elsewhere(Box::new(Ready(None)));
        let mut upstream = ScriptUpstream { context, responder, user: None, redirects: 1 };
        assert_eq!(upstream.take_interim().map(|(status, _)| status), Some(Status::EARLY_HINTS));
    }

    #[test]
    fn after_a_redirect_no_more_of_the_body_is_wanted() {
        let context = CgiService::builder("src").build(|_: &Request| Response::text("")).unwrap().context();
        let upstream = ScriptUpstream { context, responder: Responder::Done, user: None, redirects: 1 };
        assert!(!upstream.wants_body() && !upstream.reads_on());
    }
}
