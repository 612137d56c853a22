//! Tests of the whole service, by topic. This file contains the shared helpers: a directory with a service, and a
//! response as a client receives it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::files::{Account, FileServiceBuilder, Symlinks};
use crate::service::Body;

mod addresses;
mod changes;
mod codings;
mod conditions;
mod fields;
mod requests;
mod visibility;

/// A directory and the service that serves it.
struct TestSite {
    dir: tempfile::TempDir,
    files: FileService,
}

impl TestSite {
    fn new(files: &[(&str, &str)]) -> TestSite {
        TestSite::with(files, |builder| builder)
    }

    fn with(files: &[(&str, &str)], build: impl FnOnce(FileServiceBuilder) -> FileServiceBuilder) -> TestSite {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            write(&dir, name, content);
        }
        let mut files = build(FileService::builder(dir.path())).build().unwrap();
        // A file that has just been written is not cached. This clock is ten seconds ahead, so that the file is cached.
        files.policy.clock = || SystemTime::now() + Duration::from_secs(10);
        TestSite { dir, files }
    }

    fn write(&self, name: &str, content: &str) {
        write(&self.dir, name, content);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sets a file's modification time, in seconds since 1970.
    fn date(&self, name: &str, seconds: i64) {
        let stamp = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: stamp, last_modification: stamp };
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, self.path(name), &times, flags).unwrap();
    }

    fn send(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> TestResponse {
        let request =
            fields.iter().fold(Request::builder(method, target), |request, (name, value)| request.header(name, value));
        TestResponse::from(self.files.respond(&request.build()))
    }

    fn get(&self, target: &str) -> TestResponse {
        self.send("GET", target, &[])
    }

    fn status(&self, target: &str) -> u16 {
        self.get(target).status
    }
}

fn write(dir: &tempfile::TempDir, name: &str, content: &str) {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A response as a client receives it.
#[derive(Debug)]
struct TestResponse {
    status: u16,
    head: Vec<(String, String)>,
    message: Option<String>,
    body: Vec<u8>,
}

impl From<Response> for TestResponse {
    fn from(response: Response) -> TestResponse {
        let field = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
        let announced = response.head.content_length();
        let body = bytes(response.body);
        if let (Some(announced), false) = (announced, body.is_empty()) {
            assert_eq!(announced, body.len() as u64);
        }
        TestResponse {
            status: response.status.code(),
            head: response.head.iter().map(field).collect(),
            message: response.error.and_then(|error| error.message).map(Into::into),
            body,
        }
    }
}

fn bytes(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes.into_owned(),
        Body::Shared(bytes) => bytes.to_vec(),
        Body::File(slice) => {
            let mut bytes = vec![0; slice.length as usize];
            std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.offset).unwrap();
            bytes
        }
        Body::Stream(mut source) | Body::Upgrade(mut source) => {
            let mut all = Vec::new();
            let mut buf = [0; 1000];
            while let count @ 1.. = source.read(&mut buf).unwrap() {
                all.extend_from_slice(&buf[..count]);
            }
            all
        }
    }
}

impl TestResponse {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn names(&self) -> Vec<&str> {
        self.head.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
