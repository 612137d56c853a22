//! Tests of the endpoints through an in-memory connection.

use sha2::{Digest, Sha256};

use super::EndpointService;
use crate::http::{Request, Status};
use crate::service::{Reply, Response, Service};
use crate::testing::{Bench, Client, answer};

fn endpoints() -> EndpointService<impl Service + Send> {
    EndpointService::new(|_: &Request| Response::error(Status::NOT_FOUND))
}

/// A response: its status, its head, and its body including the framing.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        Answer { status: head[9..12].parse().unwrap(), head, body: bytes[end..].to_vec() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.get("Content-Type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The response to a request with these header lines and this body.
fn request(method: &str, target: &str, lines: &str, body: &str) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h:8000\r\n{length}{lines}\r\n{body}");
    Answer::of(&answer(endpoints(), head.as_bytes()))
}

fn get(target: &str) -> Answer {
    request("GET", target, "", "")
}

/// Asserts that a request is refused, with the reason as JSON.
fn assert_refused(status: u16, target: &str) {
    let answer = get(target);
    let json = answer.json();
    assert_eq!((answer.status, json["status_code"].as_u64()), (status, Some(status.into())), "{target}");
    assert!(json["error"].is_string() && !json["detail"].as_str().unwrap().is_empty(), "{target}");
}

/// Decodes a chunked body. Returns the body and the sizes of its chunks.
fn chunks(mut body: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut whole, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        body = &body[line + 2..];
        if size == 0 {
            assert_eq!(body, b"\r\n");
            return (whole, sizes);
        }
        whole.extend_from_slice(&body[..size]);
        sizes.push(size);
        body = &body[size + 2..];
    }
}

#[test]
fn bytes_of_ten_seeds_have_the_digests_of_another_implementation() {
    let digests = [
        "37aec24fe9b11a14",
        "3d0545a3fbbdaea8",
        "9386ef316c50e8ce",
        "8f7184554af922e4",
        "dfd853d63becb9ee",
        "364cdc01cbdb74fa",
        "2b8195387ab6e3fa",
        "45b46a3aabe3e310",
        "990929ebc8acf2ae",
        "d0ba59d8b7e24f42",
    ];
    for (seed, expected) in digests.into_iter().enumerate() {
        let bytes = get(&format!("/bytes/100003?seed={seed}")).body;
        let digest: String = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((bytes.len(), digest.as_str()), (100_003, expected), "seed {seed}");
    }
    let short = get("/bytes/5?seed=7");
    assert_eq!((short.get("Content-Length"), short.body.as_slice()), (Some("5"), &b"\xd7\x0d\x32\x59\xe4"[..]));
}

#[test]
fn streamed_bytes_are_the_same_in_chunks_of_the_size_that_is_asked_for() {
    let whole = get("/bytes/25001?seed=5").body;
    let (body, sizes) = chunks(&get("/stream-bytes/25001?seed=5&chunk_size=10000").body);
    assert_eq!((body, sizes), (whole, vec![10_000, 10_000, 5001]));
    assert_eq!(chunks(&get("/stream-bytes/0").body), (vec![], vec![]));
}

#[test]
fn numbers_outside_their_range_are_refused_with_a_reason() {
    for target in [
        "/bytes/1073741825",
        "/bytes/-1",
        "/bytes/",
        "/bytes/9?seed=18446744073709551616",
        "/stream-bytes/9?chunk_size=0",
        "/allocate/67108865",
        "/range/x",
        "/stream/0",
        "/stream/100001",
        "/delay/61",
        "/drip?duration=40&delay=30",
        "/drip?code=204",
        "/drip?numbytes=0",
        "/sse?count=0",
        "/status/100",
        "/status/600",
        "/status/200:-1",
        "/status/200:0",
        "/status/200,",
        "/unstable?failure_rate=1.1",
        "/unstable?failure_rate=nan",
        "/redirect/0",
        "/redirect-to",
        "/redirect-to?url=/x&status_code=200",
        "/redirect-to?url=/a%0d%0ab",
        "/json/0",
        "/json/51",
        "/json/1?m=9223372036854775807",
        "/baseline11?a=1",
        "/baseline11?a=9223372036854775807&b=1",
        "/base64/!!!!",
        "/burn?us=1000001",
        "/cookies/set?k=v%3BDomain%3Dx",
        "/etag/%22",
        "/etag/%ff",
    ] {
        assert_refused(400, target);
    }
}

#[test]
fn what_is_no_endpoint_goes_to_the_fallback() {
    for target in ["/bytes", "/bytes/1/2", "/plaintextx", "/PLAINTEXT", "/nothing", "//", "/user/a/b"] {
        let answer = get(target);
        assert_eq!((answer.status, answer.get("Content-Type")), (404, Some("text/html;charset=utf-8")), "{target}");
    }
}

#[test]
fn a_prefix_stands_before_all_endpoints_and_in_their_links() {
    let ask = |target: &str| {
        let service = endpoints().prefix("/httpbin/");
        Answer::of(&answer(service, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()))
    };
    assert_eq!(ask("/httpbin/plaintext").text(), "Hello, World!");
    assert_eq!([ask("/plaintext").status, ask("/httpbinplaintext").status], [404, 404]);
    assert_eq!(ask("/httpbin/redirect/2").get("Location"), Some("/httpbin/redirect/1"));
    assert_eq!(ask("/httpbin/absolute-redirect/1").get("Location"), Some("http://h/httpbin/get"));
    assert_eq!(ask("/httpbin/status/302").get("Location"), Some("/httpbin/redirect/1"));
    assert_eq!(ask("/httpbin/cookies/set?a=b").get("Location"), Some("/httpbin/cookies"));
}

#[test]
fn a_method_that_an_endpoint_does_not_have_is_405_with_allow() {
    for (target, allow) in [("/plaintext", "GET, HEAD"), ("/user", "POST"), ("/upload", "POST, PUT, PATCH")] {
        let answer = request("DELETE", target, "", "");
        assert_eq!((answer.status, answer.get("Allow")), (405, Some(allow)), "{target}");
        assert_eq!(answer.json()["status_code"], 405);
    }
    assert_eq!(request("TRACE", "/anything", "", "").status, 405);
}

#[test]
fn head_has_the_length_of_get() {
    for target in ["/plaintext", "/json/3", "/bytes/70000", "/range/30", "/allocate/99", "/gzip", "/user/5", "/uuid"] {
        let (head, get) = (request("HEAD", target, "", ""), get(target));
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        // The body of `/gzip` contains the method, so the lengths for GET and HEAD differ.
        if target != "/gzip" {
            assert_eq!(head.get("Content-Length"), get.get("Content-Length"), "{target}");
        }
        assert!(head.get("Content-Length").is_some(), "{target}");
    }
}

#[test]
fn the_nth_request_with_a_seed_gets_the_nth_draw() {
    let bench = Bench::new(endpoints());
    let mut client = bench.connect();
    let mut statuses = |target: &str, count: usize| -> Vec<u16> {
        let ask = |client: &mut Client<'_>| {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            Answer::of(&client.take()).status
        };
        (0..count).map(|_| ask(&mut client)).collect()
    };
    let unstable = [200, 500, 200, 200, 500, 200, 500, 200, 200, 200, 500, 500];
    assert_eq!(statuses("/unstable?failure_rate=0.3&seed=11", 12), unstable);
    let weighted = [503, 503, 503, 200, 200, 503, 503, 503, 200, 503];
    assert_eq!(statuses("/status/200,503?seed=1", 5), weighted[..5]);
    assert_eq!(statuses("/status/200,503?seed=2", 1).len(), 1, "another seed");
    assert_eq!(statuses("/status/200,503?seed=1&n=3", 2), [200, 200], "a draw by its index");
    assert_eq!(statuses("/status/200,503?seed=1", 5), weighted[5..], "goes on after both");
}

#[test]
fn a_status_has_no_body_and_the_fields_that_belong_to_it() {
    for (code, length) in [(200, Some("0")), (204, None), (304, None), (205, Some("0")), (599, Some("0"))] {
        let answer = get(&format!("/status/{code}"));
        assert_eq!((answer.status, answer.get("Content-Length"), answer.body.len()), (code, length, 0));
    }
    assert_eq!(get("/status/401").get("WWW-Authenticate"), Some("Basic realm=\"Fake Realm\""));
}

#[test]
fn a_range_of_letters_is_selected_as_that_of_a_file() {
    let ask = |lines: &str| request("GET", "/range/30", lines, "");
    let whole = ask("");
    assert_eq!((whole.status, whole.text()), (200, "abcdefghijklmnopqrstuvwxyzabcd"));
    assert_eq!((whole.get("ETag"), whole.get("Accept-Ranges")), (Some("\"range30\""), Some("bytes")));
    let part = ask("Range: bytes=24-27\r\n");
    assert_eq!((part.status, part.get("Content-Range"), part.text()), (206, Some("bytes 24-27/30"), "yzab"));
    let none = ask("Range: bytes=30-\r\n");
    assert_eq!((none.status, none.get("Content-Range")), (416, Some("bytes */30")));
    assert_eq!(ask("Range: bytes=1-2\r\nIf-Range: \"other\"\r\n").status, 200);
    assert_eq!(ask("If-None-Match: \"range30\"\r\n").status, 304);
    assert_eq!(ask("If-Match: \"other\"\r\n").status, 412);
    assert_eq!(get("/range/0").text(), "");
}

#[test]
fn a_body_over_a_time_arrives_whole() {
    assert_eq!(get("/range/30?duration=20ms").text(), "abcdefghijklmnopqrstuvwxyzabcd");
    let drip = get("/drip?numbytes=5&duration=20ms&delay=1ms&code=202");
    assert_eq!((drip.status, drip.get("Content-Length"), drip.text()), (202, Some("5"), "*****"));
    let (events, sizes) = chunks(&get("/sse?count=2&duration=5ms").body);
    assert_eq!(events, b"id: 0\nevent: ping\ndata: {\"id\":0}\n\nid: 1\nevent: ping\ndata: {\"id\":1}\n\n");
    assert_eq!(sizes.len(), 2, "one event in each chunk");
}

#[test]
fn a_delayed_response_is_not_there_before_its_time() {
    let bench = Bench::new(endpoints());
    let mut client = bench.connect();
    client.send(b"POST /delay/20ms HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    assert_eq!(client.take(), b"");
    client.send(b"c");
    while client.take().is_empty() {
        assert!(client.wait(), "the response never came");
    }
    client.send(b"GET /delay/60 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.take(), b"", "a minute is not over");
}

#[test]
fn the_echo_shows_arguments_fields_body_and_form() {
    let json = get("/get?a=1&b=x%20y%2Bz&a=2&c=+&e").json();
    assert_eq!(json["args"], serde_json::json!({"a": ["1", "2"], "b": ["x y+z"], "c": [" "], "e": [""]}));
    assert_eq!((&json["method"], &json["origin"]), (&"GET".into(), &"127.0.0.1".into()));
    assert_eq!(json["url"], "http://h:8000/get?a=1&b=x%20y%2Bz&a=2&c=+&e");
    assert_eq!(json.get("data"), None);
    let form = "Content-Type: application/x-www-form-urlencoded; x=y\r\nx-LOWER: v\r\n";
    let json = request("POST", "/post", form, "a=1&b=%26+").json();
    assert_eq!(json["form"], serde_json::json!({"a": ["1"], "b": ["& "]}));
    assert_eq!((&json["data"], &json["headers"]["X-Lower"][0]), (&"a=1&b=%26+".into(), &"v".into()));
    let json = request("PUT", "/anything/x", "", "plain").json();
    assert_eq!((&json["data"], &json["form"]), (&"plain".into(), &serde_json::json!({})));
    let bytes = b"POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n\xff\xfe";
    let json = Answer::of(&answer(endpoints(), bytes)).json();
    assert_eq!(json["data"], "data:application/octet-stream;base64,//4=");
}

#[test]
fn a_body_that_is_too_long_to_be_shown_is_413() {
    let answer = request("POST", "/post", "", &"x".repeat((1 << 20) + 1));
    assert_eq!((answer.status, answer.json()["status_code"].as_u64()), (413, Some(413)));
    assert_eq!(request("POST", "/post", "", &"x".repeat(1 << 20)).status, 200);
}

#[test]
fn lines_of_a_stream_are_json_with_their_number() {
    let (body, _) = chunks(&request("GET", "/stream/3?q=1", &format!("X: {}\r\n", "y".repeat(40_000)), "").body);
    let lines: Vec<serde_json::Value> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(lines[2]["args"]["q"][0], "1");
}

#[test]
fn fields_that_are_asked_for_are_sent_and_framing_fields_are_refused() {
    let answer = get("/response-headers?X-One=1&X-Two=a%20b&X-One=3");
    assert_eq!((answer.get("X-One"), answer.get("X-Two")), (Some("1"), Some("a b")));
    assert_eq!(answer.json(), serde_json::json!({"X-One": ["1", "3"], "X-Two": ["a b"]}));
    assert_eq!(get("/response-headers?Content-Type=text/plain").get("Content-Type"), Some("text/plain"));
    for query in
        ["X-A=b%0d%0aX-Evil:1", "X%20A=1", "=1", "Content-Length=5", "server=x", "X-A=%00", "Content-Type=text/html"]
    {
        assert_refused(400, &format!("/response-headers?{query}"));
    }
}

#[test]
fn trailers_follow_the_last_chunk() {
    let answer = get("/trailers?X-One=1&X-Two=a%20b");
    assert_eq!((answer.status, answer.get("Trailer")), (200, Some("X-One, X-Two")));
    assert!(answer.body.ends_with(b"\r\n0\r\nX-One: 1\r\nX-Two: a b\r\n\r\n"), "{:?}", answer.text());
    assert_eq!(get("/trailers").get("Trailer"), None);
    assert_refused(400, "/trailers?Content-Length=1");
}

#[test]
fn a_redirect_stays_on_the_host() {
    for url in ["/get%3Fa", "http://h:8000/get"] {
        let answer = get(&format!("/redirect-to?url={url}"));
        assert_eq!((answer.status, answer.get("Location")), (302, Some(url.replace("%3F", "?").as_str())));
    }
    for url in
        ["http://example.invalid/", "//example.invalid/", "/%5Cexample.invalid", "http://h:8000.evil/", "javascript:x"]
    {
        assert_refused(403, &format!("/redirect-to?url={url}"));
    }
    assert_eq!(get("/relative-redirect/2").get("Location"), Some("/relative-redirect/1"));
}

#[test]
fn a_redirect_of_an_https_request_stays_on_https() {
    for (target, status, location) in [
        ("/absolute-redirect/1", Status::FOUND, Some("https://h/get")),
        ("/redirect-to?url=https://h/get", Status::FOUND, Some("https://h/get")),
        ("/redirect-to?url=http://h/get", Status::FORBIDDEN, None),
    ] {
        let mut request = Request::builder("GET", target).header("Host", "h").build();
        request.tls = Some(Default::default());
        let Reply::Now(response) = endpoints().call(&request) else { panic!("a redirect needs no waiting") };
        let found = response.head.get("Location").map(|url| std::str::from_utf8(url).unwrap());
        assert_eq!((response.status, found), (status, location), "{target}");
    }
}

#[test]
fn credentials_are_those_of_the_path() {
    let ask = |value: &str| request("GET", "/basic-auth/us%C3%A9r/p:w", &format!("Authorization: {value}\r\n"), "");
    let good = ask("basic dXPDqXI6cDp3");
    assert_eq!(good.json(), serde_json::json!({"authenticated": true, "user": "us\u{e9}r"}));
    for value in ["Basic eDp5", "Basic !!", "Bearer dXPDqXI6cDp3", ""] {
        let refused = ask(value);
        assert_eq!((refused.status, refused.json()["authenticated"].as_bool()), (401, Some(false)), "{value}");
        assert!(refused.get("WWW-Authenticate").is_some());
    }
}

#[test]
fn cookies_are_shown_set_and_deleted() {
    let shown = request("GET", "/cookies", "Cookie: a=1; b=x=y\r\n", "").json();
    assert_eq!(shown, serde_json::json!({"cookies": {"a": "1", "b": "x=y"}}));
    let set = get("/cookies/set?k=v");
    assert_eq!((set.status, set.get("Set-Cookie")), (302, Some("k=v; Path=/; HttpOnly")));
    assert_eq!(get("/cookies/delete?k").get("Set-Cookie"), Some("k=; Path=/; HttpOnly; Max-Age=0"));
}

#[test]
fn validators_are_constant_and_preconditions_are_evaluated() {
    let tag = |lines: &str| request("GET", "/etag/abc", lines, "").status;
    assert_eq!([tag(""), tag("If-None-Match: W/\"abc\"\r\n"), tag("If-Match: W/\"abc\"\r\n")], [200, 304, 412]);
    let cache = get("/cache");
    assert_eq!(cache.get("Last-Modified"), Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    let since = "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n";
    assert_eq!(request("GET", "/cache", since, "").status, 304);
    assert_eq!(get("/cache/60").get("Cache-Control"), Some("public, max-age=60"));
}

#[test]
fn items_have_a_total_and_come_from_the_dataset() {
    let json = get("/json/3?m=2").json();
    assert_eq!((json["count"].as_u64(), json["items"].as_array().unwrap().len()), (Some(3), 3));
    for item in json["items"].as_array().unwrap() {
        let product = item["price"].as_i64().unwrap() * item["quantity"].as_i64().unwrap() * 2;
        assert_eq!(item["total"].as_i64(), Some(product));
    }
    let service = endpoints().dataset("[{\"price\": 3, \"quantity\": 4}]").unwrap();
    let bytes = answer(service, b"GET /json/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(Answer::of(&bytes).text(), "{\"items\":[{\"price\": 3, \"quantity\": 4,\"total\":12}],\"count\":1}");
    assert!(endpoints().dataset("[]").is_err());
}

#[test]
fn codings_contain_stored_blocks() {
    let gzip = get("/gzip");
    assert_eq!((gzip.get("Content-Encoding"), &gzip.body[..3]), (Some("gzip"), &b"\x1f\x8b\x08"[..]));
    // Skip the header (ten bytes), the block header (five bytes) and the trailer (eight bytes).
    let json: serde_json::Value = serde_json::from_slice(&gzip.body[15..gzip.body.len() - 8]).unwrap();
    assert_eq!(json["gzipped"], true);
    let deflate = get("/deflate");
    let json: serde_json::Value = serde_json::from_slice(&deflate.body[7..deflate.body.len() - 4]).unwrap();
    assert_eq!((deflate.get("Content-Encoding"), &json["deflated"]), (Some("deflate"), &true.into()));
    for (given, expected) in
        [("aGVsbG8=", b"hello".as_slice()), ("aGVsbG8", b"hello"), ("-_8=", b"\xfb\xff"), ("%2B/8=", b"\xfb\xff")]
    {
        assert_eq!(get(&format!("/base64/{given}")).body, expected, "{given}");
    }
    assert_eq!(get("/uuid?seed=5").json()["uuid"], "5ac389a3-0c3b-4363-b836-97934d3197c0");
}

#[test]
fn work_on_other_threads_is_answered() {
    for target in ["/burn?us=10", "/offload?us=10", "/wake?us=10"] {
        assert_eq!(get(target).text(), "10", "{target}");
    }
    assert_eq!(request("POST", "/upload", "", "12345").text(), "5");
    assert_eq!(request("POST", "/baseline11?a=13&b=42", "", " 20\n").text(), "75");
    assert_eq!(get("/baseline11?a=-13&b=42").text(), "29");
}

#[test]
fn a_service_for_each_connection_is_made_by_the_fallback() {
    struct Counts(std::cell::Cell<u32>);
    impl Service for Counts {
        fn call(&self, _: &Request) -> Reply {
            self.0.set(self.0.get() + 1);
            Response::text(self.0.get().to_string()).into()
        }
        fn connect(&self, _: &str) -> Option<Box<dyn Service>> {
            Some(Box::new(Counts(std::cell::Cell::new(10))))
        }
    }
    let bench = Bench::new(EndpointService::new(Counts(std::cell::Cell::new(0))));
    for _ in 0..2 {
        let mut client = bench.connect();
        client.send(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n");
        let bytes = client.take();
        assert!(bytes.ends_with(b"\r\n\r\n11") && bytes.windows(13).any(|window| window == b"Hello, World!"));
    }
}
