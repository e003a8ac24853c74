"""Sends the requests of a file, each on a connection of its own, with exactly their headers, and tells what came of them."""
import http.client, json, sys

port, requests = json.load(open(sys.argv[1]))
told = []
for method, path, headers, body in requests:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body.encode())))
    connection.endheaders(body.encode())
    reply = connection.getresponse()
    names = sorted(name.lower() for name, _ in reply.getheaders())
    text = reply.read(1 << 20).decode(errors="replace")
    told.append([reply.status, reply.getheader("location"), "set-cookie" in names, text])
    connection.close()
json.dump(told, sys.stdout)
