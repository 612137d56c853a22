complete -c serve-forever -s b -l bind -d 'address or host name to listen on (default: all interfaces)' -r -f -a "(__fish_print_hostnames)"
complete -c serve-forever -s d -l directory -d 'directory to serve (default: the current one)' -r -f -a "(__fish_complete_directories)"
complete -c serve-forever -s p -l protocol -d 'HTTP/1.1, or HTTP/1.0 to close each connection after one answer unless the client asks otherwise (default: HTTP/1.1)' -r -f
complete -c serve-forever -s H -l header -d 'header field to add to every successful answer; may be repeated' -r -f
complete -c serve-forever -l content-type -d 'content type of files whose extension is not known (default: application/octet-stream)' -r -f
complete -c serve-forever -l cgi-env -d 'variable of this environment that scripts get too; may be repeated' -r -f
complete -c serve-forever -l cgi-user -d 'user that scripts run as if the server is root: a name, or UID:GID (default: nobody)' -r -f -a "(__fish_complete_users)"
complete -c serve-forever -s h -l help -d 'show this help and exit'
complete -c serve-forever -s V -l version -d 'show the version and exit'
complete -c serve-forever -l cgi -d 'run the programs in /cgi-bin and /htbin of the directory instead of sending them'
complete -c serve-forever -s q -l quiet -d 'do not log requests'
