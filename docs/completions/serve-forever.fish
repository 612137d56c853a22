complete -c serve-forever -s b -l bind -d 'address or host name to listen on (default: all interfaces)' -r -f -a "(__fish_print_hostnames)"
complete -c serve-forever -s d -l directory -d 'directory to serve (default: the current directory)' -r -f -a "(__fish_complete_directories)"
complete -c serve-forever -s p -l protocol -d 'HTTP/1.1, or HTTP/1.0 to close each connection after one response unless the client asks for keep-alive (default: HTTP/1.1)' -r -f
complete -c serve-forever -l tls-cert -d 'PEM file with a certificate and its chain, to serve HTTPS; may be repeated, and each certificate is used for its DNS names' -r -f
complete -c serve-forever -l tls-key -d 'PEM file with the private key (default: the certificate file); may be repeated, once for each --tls-cert' -r -f
complete -c serve-forever -l tls-password-file -d 'file with the password for encrypted private keys' -r -f
complete -c serve-forever -l tls-min -d 'lowest TLS version: 1.2 or 1.3 (default: 1.2)' -r -f
complete -c serve-forever -l tls-client-ca -d 'PEM file with the certificate authorities for client certificates' -r -f
complete -c serve-forever -l tls-client-auth -d 'client certificates: required or optional (default: required)' -r -f
complete -c serve-forever -l tls-self-signed -d 'serve HTTPS with a certificate that is generated at startup for localhost, the address of --bind and NAME, for development' -r -f
complete -c serve-forever -l hsts -d 'make browsers use only HTTPS for this host during the next SECONDS (without SECONDS: a year)' -r -f
complete -c serve-forever -l redirect-http -d 'additional port that redirects unencrypted HTTP to HTTPS' -r -f
complete -c serve-forever -s H -l header -d 'header field to add to every successful response; may be repeated' -r -f
complete -c serve-forever -l content-type -d 'content type of files with an unknown extension (default: application/octet-stream)' -r -f
complete -c serve-forever -l index -d 'file to serve for a directory (default: index.html, index.htm); may be repeated, and the first that exists is served' -r -f
complete -c serve-forever -l spa -d 'page to serve for paths that do not exist, for single-page applications (without FILE: index.html)' -r -F
complete -c serve-forever -l error-page -d 'page to send with an error, such as 404=404.html; may be repeated' -r -f
complete -c serve-forever -l hidden -d 'serve or deny names that begin with a dot (default: serve)' -r -f
complete -c serve-forever -l symlinks -d 'follow symbolic links, follow them within the directory, or deny them (default: follow)' -r -f
complete -c serve-forever -l cors -d 'let scripts from another origin, such as https://app.example, read the files (without ORIGIN: from any origin)' -r -f
complete -c serve-forever -l cache -d 'Cache-Control of files: SECONDS, no-cache or immutable; with GLOB only of files that match, such as *.js=3600; may be repeated, and the last match counts' -r -f
complete -c serve-forever -l mime -d 'content type of files with the extension EXT, such as md=text/markdown; may be repeated' -r -f
complete -c serve-forever -l encoding -d 'content coding of files with the extension EXT, such as br=br or gz=gzip; may be repeated' -r -f
complete -c serve-forever -l charset -d 'charset of all text, or none (default: utf-8, unless the text declares its encoding)' -r -f
complete -c serve-forever -l auth -d 'require a user name and a password; may be repeated' -r -f
complete -c serve-forever -l auth-file -d 'file with more users, one per line, in the form of --auth' -r -F
complete -c serve-forever -l base-path -d 'URL path under which the directory is served, such as /docs (default: /)' -r -f
complete -c serve-forever -l log-format -d 'format of the log: python, common, combined or json (default: python)' -r -f
complete -c serve-forever -l log-file -d 'file for the log (default: standard error)' -r -F
complete -c serve-forever -l grace -d 'time to finish responses after SIGTERM (default: 5)' -r -f
complete -c serve-forever -l max-connections -d 'maximum number of open connections (default: as many as file descriptors allow)' -r -f
complete -c serve-forever -l max-connections-per-peer -d 'maximum number of open connections from one address (default: no limit)' -r -f
complete -c serve-forever -l head-timeout -d 'time to receive the head of a request, from its first byte to its last, 0 for no limit (default: 10)' -r -f
complete -c serve-forever -l idle-timeout -d 'time between two requests on a connection, 0 for no limit (default: 15)' -r -f
complete -c serve-forever -l stall-timeout -d 'time without progress while receiving the body of a request, 0 for no limit (default: 30)' -r -f
complete -c serve-forever -l send-timeout -d 'time without progress while sending a response, 0 for no limit (default: 600)' -r -f
complete -c serve-forever -l body-timeout -d 'time to receive the body of a request, 0 for no limit (default: 30)' -r -f
complete -c serve-forever -l body-rate -d 'minimum rate of a request body after --body-timeout, in bytes per second, 0 for no limit (default: 500)' -r -f
complete -c serve-forever -l user -d 'user to switch to after the port is bound and the log is open' -r -f
complete -c serve-forever -l chroot -d 'directory that becomes the root of all paths after the port is bound and the log is open' -r -f -a "(__fish_complete_directories)"
complete -c serve-forever -l config -d 'TOML file with options under their long names' -r -F
complete -c serve-forever -l cgi-env -d 'variable of the environment to pass to scripts; may be repeated' -r -f
complete -c serve-forever -l cgi-user -d 'user for scripts if the server runs as root: a name, or UID:GID (default: nobody)' -r -f -a "(__fish_complete_users)"
complete -c serve-forever -l cgi-timeout -d 'time for a script from its start to its end, 0 for no limit (default: 900)' -r -f
complete -c serve-forever -l cgi-first-byte -d 'time for a script to send the head of its response, 0 for no limit (default: 55)' -r -f
complete -c serve-forever -l cgi-max -d 'maximum number of scripts that run at the same time; further requests wait (default: 64)' -r -f
complete -c serve-forever -l bench-endpoints -d 'add endpoints for benchmarks and tests of clients, such as /bytes/1000, in front of the files' -r -f
complete -c serve-forever -l dataset -d 'JSON file with the items of the endpoint /json/N (default: 50 built-in items)' -r -F
complete -c serve-forever -l trace -d 'write a trace of the loop and the first connections to FILE, for https://ui.perfetto.dev' -r -F
complete -c serve-forever -l trace-connections -d 'number of connections that the trace shows, beginning with the first (default: 64)' -r -f
complete -c serve-forever -l trace-limit -d 'maximum size of the trace in MiB (default: 64)' -r -f
complete -c serve-forever -l explain -d 'describe in sentences on standard error what happens to the N-th connection; N may be all (without N: the first)' -r -f
complete -c serve-forever -l max-read -d 'read at most N bytes at a time from a client, once per turn of the loop (default: no limit)' -r -f
complete -c serve-forever -l max-write -d 'write at most N bytes at a time to a client, once per turn of the loop (default: no limit)' -r -f
complete -c serve-forever -l slow-motion -d 'milliseconds that a connection pauses after a read of --max-read or a write of --max-write bytes (default: none)' -r -f
complete -c serve-forever -l fault -d 'inject a fault into this share of the responses, such as close:0.1:body=100; may be repeated, and the first that applies counts' -r -f
complete -c serve-forever -l fault-seed -d 'seed that decides which responses have a fault (default: 0)' -r -f
complete -c serve-forever -l port-file -d 'file to write the port to when the program listens; removed when the program ends' -r -F
complete -c serve-forever -l ready -d 'form of the line that the program prints when it is ready: python or json (default: python)' -r -f
complete -c serve-forever -l ready-fd -d 'open descriptor to which the line of --ready json is written when the program is ready; it is then closed' -r -f
complete -c serve-forever -l stats -d 'report counters at a URL path: JSON, or text for Prometheus (without PATH: /__stats)' -r -f
complete -c serve-forever -l stats-from -d 'network whose clients get the report of --stats, such as 10.0.0.0/8, instead of loopback; may be repeated' -r -f
complete -c serve-forever -l stats-on-exit -d 'write the counters as one line of JSON when the program ends (without FILE: to standard output)' -r -F
complete -c serve-forever -l health -d 'respond at a URL path with 200, and with 503 once the program has begun to end (without PATH: /__health)' -r -f
complete -c serve-forever -l exit-after -d 'end after N responses' -r -f
complete -c serve-forever -l idle-exit -d 'end after this time without a request' -r -f
complete -c serve-forever -l duration -d 'end after this time' -r -f
complete -c serve-forever -l lame-duck -d 'time to continue serving after SIGTERM or SIGINT, before --grace begins' -r -f
complete -c serve-forever -l cpu -d 'core to run on, counted from 0 (Linux)' -r -f
complete -c serve-forever -l exit-codes -d 'exit statuses, coarse or fine (default: coarse). coarse: 0 for a clean end, 1 for a failure, 2 for an invalid option. fine: also 3 for an address that cannot be bound, 4 for a directory or a file that is missing, unreadable or not writable, 5 for a certificate or key that cannot be used, and 6 if responses were cut short at the end' -r -f
complete -c serve-forever -l healthcheck -d 'do not serve: request the http URL, and exit with 0 if the response has a 2xx status within 5 seconds, else with 1' -r -f
complete -c serve-forever -s h -l help -d 'show this help and exit'
complete -c serve-forever -s V -l version -d 'show the version and exit'
complete -c serve-forever -l no-listing -d 'refuse requests for directories that have no index file'
complete -c serve-forever -l folders-first -d 'list directories before files'
complete -c serve-forever -l coop-coep -d 'isolate pages from other sites, so that they can use SharedArrayBuffer'
complete -c serve-forever -l clean-urls -d 'serve about.html as /about, and redirect /about.html to /about'
complete -c serve-forever -l precompressed -d 'serve app.js.br, app.js.zst or app.js.gz instead of app.js to clients that accept the coding'
complete -c serve-forever -l reuse-port -d 'let other processes of the same user listen on the same port'
complete -c serve-forever -l sandbox -d 'let the kernel restrict the program to reading the served directory (Linux, Landlock)'
complete -c serve-forever -l cgi -d 'run the programs in /cgi-bin and /htbin of the directory instead of sending them'
complete -c serve-forever -l faults-anywhere -d 'allow faults on addresses that other machines can reach'
complete -c serve-forever -l nonce-header -d 'send the nonce of this run in all responses, as X-Serve-Nonce'
complete -c serve-forever -l exit-with-stdin -d 'end when standard input ends, which must be a pipe or a socket'
complete -c serve-forever -s q -l quiet -d 'do not log requests'
