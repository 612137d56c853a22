//! Downloads a listing and everything below it: `mirror http://127.0.0.1:8000/ FOLDER`. An incomplete file is continued
//! by a range request, and cookies are kept while the program runs.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serve_forever::client::{HttpConnection, HttpResponse};
use serve_forever::cookiejar::{CookieJar, RequestUrl};
use serve_forever::http::percent_decode;

struct Mirror {
    /// `http://HOST:PORT`.
    site: String,
    connection: HttpConnection,
    jar: CookieJar,
}

impl Mirror {
    /// Requests a path, with a field if it is given. The jar sees the request and the response.
    fn get(&mut self, path: &str, field: Option<(&str, &str)>) -> Result<HttpResponse, Box<dyn Error>> {
        let url = RequestUrl::parse(&format!("{}{path}", self.site))?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let cookie = self.jar.header(&url, now);
        let fields: Vec<_> = cookie.iter().map(|cookie| ("Cookie", cookie.as_str())).chain(field).collect();
        self.connection.request("GET", path, (), &fields)?;
        let response = self.connection.getresponse()?;
        self.jar.extract(&url, response.headers().get_all("Set-Cookie"), now);
        Ok(response)
    }

    /// Downloads the listing at `path`, which ends in a slash, into a folder.
    fn folder(&mut self, path: &str, to: &Path) -> Result<(), Box<dyn Error>> {
        let mut response = self.get(path, None)?;
        if response.status().code() != 200 {
            return Err(format!("{path}: {} {}", response.status(), response.reason()).into());
        }
        fs::create_dir_all(to)?;
        let listing = String::from_utf8_lossy(&response.read_all()?).into_owned();
        for link in listing.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            // Only links to names in this folder are followed. Other links could lead elsewhere, or out of the local
            // folder.
            let name = percent_decode(link.trim_end_matches('/').as_bytes()).ok_or("a link with a wrong escape")?;
            let name = String::from_utf8(name.into_owned())?;
            let leads_elsewhere = link.contains(['?', '#']) || name.contains(['/', '\\', '\0', ':']);
            if name.is_empty() || name.starts_with('.') || leads_elsewhere {
                continue;
            }
            match link.ends_with('/') {
                true => self.folder(&format!("{path}{link}"), &to.join(name))?,
                false => self.file(&format!("{path}{link}"), &to.join(name))?,
            }
        }
        Ok(())
    }

    /// Downloads a file, or the part of it that is missing.
    fn file(&mut self, path: &str, to: &Path) -> Result<(), Box<dyn Error>> {
        let have = fs::metadata(to).map_or(0, |known| known.len());
        let range = format!("bytes={have}-");
        let mut response = self.get(path, (have > 0).then_some(("Range", range.as_str())))?;
        let mut file = match response.status().code() {
            200 => File::create(to)?,
            // A response to another range would leave a gap.
            206 if response.header("Content-Range").is_some_and(|said| said.starts_with(&format!("bytes {have}-"))) => {
                OpenOptions::new().append(true).open(to)?
            }
            // The file is complete.
            416 => return Ok(response.read_to_end(&mut Vec::new()).map(drop)?),
            _ => return Err(format!("{path}: {} {}", response.status(), response.reason()).into()),
        };
        let count = io::copy(&mut response, &mut file)?;
        println!("{path}: {count} bytes");
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mirror http://HOST:PORT/PATH/ FOLDER".into());
    };
    let rest = url.strip_prefix("http://").ok_or("only http")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = format!("/{}", path.trim_end_matches('/'));
    let path = if path == "/" { path } else { format!("{path}/") };
    let mut mirror =
        Mirror { site: format!("http://{host}"), connection: HttpConnection::new(host)?, jar: CookieJar::new() };
    mirror.folder(&path, Path::new(&to))
}
