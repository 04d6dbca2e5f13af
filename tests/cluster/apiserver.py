#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""An API server for tests: nodes, services and ServiceCIDRs over TLS, and all that can go wrong with one.

    apiserver.py serve DIR ADDRESS PORT [VERSION]
        DIR gets ca.crt, token and the socket ctl. Prints "ready". Versions begin with that one (default 1000), and
        older ones are too old.
    apiserver.py ctl DIR COMMAND [ARGUMENT...]
        Prints the answer; exit status 1 and a message if it is refused. Commands:

    put RESOURCE FILE       an object, a list of them, or several one after the other ("-": stdin) are created or replaced
    get RESOURCE [NAME]     as JSON; the name of a service is namespace/name
    delete RESOURCE NAME
    fill NODES SERVICES [BYTES]
                            that many, of about so many bytes (default 12000): node-00000, with an address of
                            192.0.2.0/24 or 2001:db8::/32 and a /24 (IPv4) and a /64 (IPv6) each
    churn RATE SECONDS      changes so many objects a second: a node's heartbeat, every tenth time its podCIDRs
    compact                 forgets all changes up to now: older versions and tokens to continue with are 410 from here on
    gone event|http         how a watch is told so (default event)
    expire on|off           every token to continue with is too old
    fail STATUS on|off [RESOURCE]
                            every request is answered with that
    silence on|off          requests are taken, and nothing is sent any more
    cut                     the next event of each watch is sent to its half, then the connection ends
    end                     all watches end, as they do when their time is over
    bookmark                all watches get one now (they do once a minute by themselves)
    raw TEXT                is sent to all watches as it is
    watchtime SECONDS       watches end after that at the latest
    cache on|off            lists with resourceVersion=0 disregard the limit, as a server's watch cache does (default off)
    servicecidrs v1|v1beta1|none|forbidden
                            in which version there are any (default v1); none is 404, forbidden is 403
    tokens TOKEN...         the only ones that are accepted (default: that of the file DIR/token)
    log [clear]             every call so far, as "VERB GROUP RESOURCE SUBRESOURCE NAME STATUS QUERY", "-" for none
    watches                 how many there are, as "RESOURCE N"

Lists, tokens to continue with and versions behave as the Kubernetes API concepts say; a version here is a number,
the same for all resources. No request changes anything but PATCH of a node's status, whose conditions are merged by
their type.
"""
import bisect
import copy
import ipaddress
import json
import os
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

CORE = {"nodes": "Node", "services": "Service"}
KINDS = {**CORE, "servicecidrs": "ServiceCIDR"}
BOOKMARKS = 60      # seconds


class Refused(Exception):
    """What a request is answered with instead."""

    def __init__(self, code, reason, message, more=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.more = code, reason, message, more

    def status(self):
        metadata = {"continue": self.more} if self.more else {}
        return {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
                "message": self.message, "reason": self.reason, "code": self.code}


def expired(message):
    return Refused(410, "Expired", message)


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()


def key_of(thing):
    metadata = thing["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else metadata["name"]


class Event:
    __slots__ = ("version", "type", "key", "text")

    def __init__(self, version, kind, key, text):
        self.version, self.type, self.key, self.text = version, kind, key, text

    def line(self):
        return b'{"type":"%s","object":%s}\n' % (self.type.encode(), self.text)


class Store:
    """Objects, and what became of them. Guarded by `changed`, which is notified of every change."""

    def __init__(self, version):
        self.changed = threading.Condition()
        self.version = self.compacted = version
        self.objects = {resource: {} for resource in KINDS}      # key -> object
        self.texts = {resource: {} for resource in KINDS}        # key -> its JSON
        self.events = {resource: [] for resource in KINDS}
        self.snapshots = {}                                      # (resource, version) -> list of (key, text)

    def _record(self, resource, kind, key, thing):
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        text = encode(thing)
        self.events[resource].append(Event(self.version, kind, key, text))
        return text

    def put(self, resource, thing):
        with self.changed:
            thing.setdefault("metadata", {})
            version = "networking.k8s.io/v1" if resource == "servicecidrs" else "v1"
            thing = {"kind": KINDS[resource], "apiVersion": version, **thing}
            if resource == "services":
                thing["metadata"].setdefault("namespace", "default")
            key = key_of(thing)
            kind = "MODIFIED" if key in self.objects[resource] else "ADDED"
            self.texts[resource][key] = self._record(resource, kind, key, thing)
            self.objects[resource][key] = thing
            self.changed.notify_all()

    def delete(self, resource, key):
        with self.changed:
            thing = self.objects[resource].pop(key)
            del self.texts[resource][key]
            self._record(resource, "DELETED", key, thing)
            self.changed.notify_all()

    def compact(self):
        with self.changed:
            self.version += 1
            self.compacted = self.version
            self.snapshots.clear()

    def snapshot(self, resource, version=None):
        """Sorted (key, text) as of now, or as of a version that a list was begun at."""
        if version is None:
            taken = sorted(self.texts[resource].items())
            return self.version, taken
        if (resource, version) not in self.snapshots:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        return version, self.snapshots[resource, version]

    def must_know(self, version):
        """Watches that have begun know no such limit."""
        if version < self.compacted:
            raise expired(f"too old resource version: {version} ({self.compacted})")

    def since(self, resource, version):
        """Events after that version."""
        events = self.events[resource]
        return events[bisect.bisect_right(events, version, key=lambda event: event.version):]


class World:
    """The store, and how the server behaves."""

    def __init__(self, directory, version):
        self.directory = directory
        self.store = Store(version)
        self.lock = threading.Lock()
        self.log = []
        self.failing = {}           # resource or None -> status
        self.silent = False
        self.gone = "event"
        self.cache = self.expire = False
        self.watchtime = 1e9
        self.cidrs = "v1"
        self.tokens = None
        self.watches = {}           # id -> its Watch
        self.orders = 0             # changes that watches must look at

    def accepts(self, authorization):
        with self.lock:
            tokens = self.tokens
        if tokens is None:
            with open(os.path.join(self.directory, "token"), encoding="ascii") as file:
                tokens = {file.read().strip()}
        return authorization in {f"Bearer {token}" for token in tokens}

    def note(self, call):
        with self.lock:
            self.log.append(" ".join(str(part) or "-" for part in call))


class Call:
    """What a request asks for."""

    def __init__(self, method, target):
        url = urllib.parse.urlsplit(target)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.text = url.query
        parts = [urllib.parse.unquote(part) for part in url.path.split("/") if part]
        self.group = self.version = self.resource = self.name = self.subresource = ""
        if parts[:2] == ["api", "v1"]:
            self.version, parts = parts[1], parts[2:]
        elif parts[:1] == ["apis"]:
            self.group, self.version, parts = parts[1], parts[2], parts[3:]
        for field, part in zip(("resource", "name", "subresource"), parts):
            setattr(self, field, part)
        self.known = (self.resource in CORE if not self.group else
                      self.group == "networking.k8s.io" and self.resource == "servicecidrs")
        if method == "GET":
            self.verb = "get" if self.name else "watch" if self.query.get("watch") in ("1", "true") else "list"
        else:
            self.verb = method.lower()

    def wanted(self, key):
        field = self.query.get("fieldSelector")
        return not field or key == field.removeprefix("metadata.name=")


class Watch:
    """Of one connection."""

    def __init__(self, resource):
        self.resource = resource
        self.cut = self.end = self.bookmark = False
        self.raw = b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None
    disable_nagle_algorithm = True

    def setup(self):
        self.request.settimeout(60)
        self.request.do_handshake()
        super().setup()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve("GET")

    def do_PATCH(self):
        self.serve("PATCH")

    def do_POST(self):
        self.serve("POST")

    def do_PUT(self):
        self.serve("PUT")

    def do_DELETE(self):
        self.serve("DELETE")

    def serve(self, method):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        call = Call(method, self.path)
        try:
            self.check(call)
            handler = getattr(self, "serve_" + call.verb, None)
            if not handler:
                raise Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            handler(call, body)
        except Refused as refused:
            self.answer(call, refused.code, encode(refused.status()))

    def check(self, call):
        world = self.world
        while world.silent:
            time.sleep(0.02)
        if not world.accepts(self.headers.get("Authorization")):
            raise Refused(401, "Unauthorized", "Unauthorized")
        status = world.failing.get(call.resource) or world.failing.get(None)
        if status:
            raise Refused(status, "InternalError", f"told to fail with {status}")
        if call.resource == "servicecidrs" and world.cidrs == "forbidden":
            raise Refused(403, "Forbidden", 'servicecidrs.networking.k8s.io is forbidden: User "ctnatd" cannot '
                          f'{call.verb} resource "servicecidrs" in API group "networking.k8s.io" at the cluster scope')
        if not call.known or (call.resource == "servicecidrs" and call.version != world.cidrs):
            raise Refused(404, "NotFound", "the server could not find the requested resource")

    def answer(self, call, status, body):
        self.world.note((call.verb, call.group, call.resource, call.subresource, call.name, status, call.text))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve_get(self, call, _):
        with self.world.store.changed:
            text = self.world.store.texts[call.resource].get(call.name)
        if text is None:
            raise Refused(404, "NotFound", f'{call.resource} "{call.name}" not found')
        self.answer(call, 200, text)

    # ---- lists

    def serve_list(self, call, _):
        query, store = call.query, self.world.store
        limit, start, version = int(query.get("limit", 0)), "", None
        if query.get("continue"):
            if query.get("resourceVersion"):
                raise Refused(400, "BadRequest", "specifying resource version is not allowed when using continue")
            try:
                version, start = json.loads(bytes.fromhex(query["continue"]))
            except ValueError:
                raise Refused(400, "BadRequest", "continue key is not valid") from None
        elif query.get("resourceVersion") == "0" and self.world.cache:
            limit = 0
        if version and self.world.expire:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        with store.changed:
            version, taken = store.snapshot(call.resource, version)
            taken = [(key, text) for key, text in taken if call.wanted(key)] if "fieldSelector" in query else taken
            first = bisect.bisect_right(taken, (start, b"\xff"))
            page = taken[first:first + limit] if limit else taken[first:]
            left = len(taken) - first - len(page)
            metadata = {"resourceVersion": str(version)}
            if left:
                metadata["continue"] = encode([version, page[-1][0]]).hex()
                metadata["remainingItemCount"] = left
                store.snapshots[call.resource, version] = taken
        group = f"{call.group}/{call.version}" if call.group else call.version
        head = encode({"kind": KINDS[call.resource] + "List", "apiVersion": group, "metadata": metadata})
        self.answer(call, 200, head[:-1] + b',"items":[' + b",".join(text for _, text in page) + b"]}\n")

    # ---- watches

    def serve_watch(self, call, _):
        world, store, query = self.world, self.world.store, call.query
        end = time.monotonic() + min(float(query.get("timeoutSeconds", 1800)), world.watchtime)
        watch = Watch(call.resource)
        with store.changed:
            version = int(query.get("resourceVersion") or 0)
            pending = [] if version else [Event(0, "ADDED", key, text) for key, text in store.snapshot(call.resource)[1]]
            version = version or store.version
            if world.gone == "http":
                store.must_know(version)
            world.watches[id(watch)] = watch
        world.note((call.verb, call.group, call.resource, call.subresource, call.name, 200, call.text))
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            try:
                store.must_know(version)
                self.stream(call, watch, version, pending, end)
            except Refused as refused:
                self.chunk(encode({"type": "ERROR", "object": refused.status()}) + b"\n")
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, ConnectionError):
            self.close_connection = True
        finally:
            with store.changed:
                world.watches.pop(id(watch), None)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def stream(self, call, watch, version, pending, end):
        """Sends events until the watch ends; OSError: the connection ends too."""
        world, store = self.world, self.world.store
        marks = call.query.get("allowWatchBookmarks") in ("1", "true")
        next_mark = time.monotonic() + BOOKMARKS
        while True:
            with store.changed:
                while True:
                    now = time.monotonic()
                    pending += store.since(call.resource, version)
                    if pending:
                        version = max(version, pending[-1].version)
                    pending = [event for event in pending if call.wanted(event.key)]
                    mark = marks and (watch.bookmark or now >= next_mark)
                    busy = pending or mark or watch.raw or watch.end or now >= end
                    if busy and not world.silent:
                        break
                    if select.select([self.request], [], [], 0)[0]:
                        raise ConnectionError   # it has no more to say: the client has gone
                    store.changed.wait(min(0.05 if world.silent else 0.3, max(0, min(end, next_mark) - now) + 0.01))
                raw, watch.raw, watch.bookmark, cut = watch.raw, b"", False, watch.cut
                if mark:
                    version = max(version, store.version)   # nothing before it is pending any more
            data = b"".join(event.line() for event in pending) + raw
            if cut and pending:
                line = pending[0].line()
                self.chunk(line[:len(line) // 2])
                self.wfile.flush()
                self.request.close()
                raise ConnectionError
            if mark:
                next_mark = time.monotonic() + BOOKMARKS
                data += encode({"type": "BOOKMARK", "object": {
                    "kind": KINDS[call.resource], "apiVersion": "v1",
                    "metadata": {"resourceVersion": str(version), "creationTimestamp": None}}}) + b"\n"
            pending = []
            if data:
                self.chunk(data)
            if watch.end or time.monotonic() >= end:
                return

    # ---- what changes something

    def serve_patch(self, call, body):
        if (call.resource, call.subresource) != ("nodes", "status"):
            raise Refused(405, "MethodNotAllowed", "only the status of nodes")
        if self.headers.get("Content-Type") != "application/strategic-merge-patch+json":
            raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        store = self.world.store
        with store.changed:
            node = copy.deepcopy(store.objects["nodes"].get(call.name))
            if node is None:
                raise Refused(404, "NotFound", f'nodes "{call.name}" not found')
            try:
                patch = json.loads(body)["status"]["conditions"]
            except (ValueError, KeyError):
                raise Refused(400, "BadRequest", "not a patch of conditions") from None
            conditions = {one["type"]: one for one in node.setdefault("status", {}).get("conditions", [])}
            for condition in patch:
                conditions.setdefault(condition["type"], {}).update(condition)
            node["status"]["conditions"] = list(conditions.values())
            store.put("nodes", node)
            text = store.texts["nodes"][call.name]
        self.answer(call, 200, text)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, port, context):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.context = context
        super().__init__((address, port), Handler)

    def get_request(self):
        plain, client = super().get_request()
        return self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), client

    def handle_error(self, *_):
        pass                    # clients go when they like


# ---- the commands

def documents(text):
    decoder, at = json.JSONDecoder(), 0
    text = text.strip()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        while at < len(text) and text[at].isspace():
            at += 1
        yield from value if isinstance(value, list) else value.get("items", [value])


def sample_node(number, size, shift=0):
    """One that looks like those of a cloud, of about so many bytes."""
    pods = ipaddress.ip_address("10.128.0.0") + 256 * ((number + shift) % 32768)
    pods6 = ipaddress.ip_address("fd00:10:244::") + ((number + shift) << 64)
    addresses = [{"type": "InternalIP", "address": f"192.0.2.{number + 2}"}] if number < 250 else []
    addresses.append({"type": "InternalIP", "address": f"2001:db8:0:2::{number + 2:x}"})
    addresses.append({"type": "Hostname", "address": f"node-{number:05}"})
    images = [{"names": [f"registry.example/team/application-{i}@sha256:{i:064x}"], "sizeBytes": 100000000 + i}
              for i in range(size // 140)]
    return {"metadata": {"name": f"node-{number:05}", "labels": {"kubernetes.io/os": "linux"},
                         "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
            "spec": {"podCIDR": f"{pods}/24", "podCIDRs": [f"{pods}/24", f"{pods6}/64"]},
            "status": {"addresses": addresses, "conditions": [], "images": images}}


def sample_service(number, size):
    address = ipaddress.ip_address("10.96.0.1") + number
    return {"metadata": {"name": f"service-{number:05}", "namespace": f"team-{number % 100:02}",
                         "annotations": {"note": "x" * max(0, size - 400)}},
            "spec": {"type": "ClusterIP", "clusterIP": str(address), "clusterIPs": [str(address)],
                     "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}}


class Commands:
    def __init__(self, world):
        self.world = world

    def resource(self, name):
        if name not in KINDS:
            raise ValueError(f"no such resource: {name}")
        return name

    def switch(self, word):
        if word not in ("on", "off"):
            raise ValueError(f"on or off, not {word}")
        return word == "on"

    def tell_watches(self, field, value):
        with self.world.store.changed:
            for watch in self.world.watches.values():
                setattr(watch, field, value)
            self.world.store.changed.notify_all()

    def put(self, stdin, resource, _file):
        for thing in documents(stdin):
            self.world.store.put(self.resource(resource), thing)

    def get(self, _, resource, name=None):
        with self.world.store.changed:
            things = self.world.store.objects[self.resource(resource)]
            return json.dumps(things[name] if name else list(things.values())) + "\n"

    def delete(self, _, resource, name):
        self.world.store.delete(self.resource(resource), name)

    def fill(self, _, nodes, services, size="12000"):
        with self.world.store.changed:
            for number in range(int(nodes)):
                self.world.store.put("nodes", sample_node(number, int(size)))
            for number in range(int(services)):
                self.world.store.put("services", sample_service(number, int(size)))
            self.world.store.compact()

    def churn(self, _, rate, seconds):
        store, rate = self.world.store, int(rate)
        names = sorted(store.objects["nodes"])
        begin = time.monotonic()
        for number in range(rate * int(seconds)):
            time.sleep(max(0, begin + number / rate - time.monotonic()))
            with store.changed:
                node = copy.copy(store.objects["nodes"][names[number % len(names)]])
                node["metadata"] = {**node["metadata"], "annotations": {"beat": str(number)}}
                if number % 10 == 0:
                    node["spec"] = sample_node(number % len(names), 0, 16384 + number // 10)["spec"]
                store.put("nodes", node)

    def compact(self, _):
        self.world.store.compact()

    def gone(self, _, how):
        self.world.gone = how

    def expire(self, _, word):
        self.world.expire = self.switch(word)

    def fail(self, _, status, word, resource=None):
        if self.switch(word):
            self.world.failing[resource] = int(status)
        else:
            self.world.failing.pop(resource, None)

    def silence(self, _, word):
        self.world.silent = self.switch(word)
        self.tell_watches("raw", b"")

    def cut(self, _):
        self.tell_watches("cut", True)

    def end(self, _):
        self.tell_watches("end", True)

    def bookmark(self, _):
        self.tell_watches("bookmark", True)

    def raw(self, _, text):
        self.tell_watches("raw", text.encode())

    def watchtime(self, _, seconds):
        self.world.watchtime = float(seconds)

    def cache(self, _, word):
        self.world.cache = self.switch(word)

    def servicecidrs(self, _, how):
        if how not in ("v1", "v1beta1", "none", "forbidden"):
            raise ValueError(how)
        self.world.cidrs = how

    def tokens(self, _, *tokens):
        with self.world.lock:
            self.world.tokens = set(tokens)

    def log(self, _, clear=None):
        with self.world.lock:
            text = "".join(line + "\n" for line in self.world.log)
            if clear == "clear":
                self.world.log.clear()
        return text

    def watches(self, _):
        with self.world.store.changed:
            resources = [watch.resource for watch in self.world.watches.values()]
        return "".join(f"{resource} {resources.count(resource)}\n" for resource in KINDS)


def obey(world, connection):
    with connection, connection.makefile("rwb") as file:
        question = json.loads(file.readline())
        name, arguments = question["args"][0], question["args"][1:]
        try:
            command = None if name.startswith("_") else getattr(Commands(world), name, None)
            if not command:
                raise ValueError(f"no such command: {name}")
            answer = {"text": command(question["stdin"], *arguments) or ""}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"error": f"{name}: {error!r}"}
        file.write(encode(answer) + b"\n")


def openssl(*arguments, stdin=None):
    subprocess.run(["/usr/bin/openssl", *arguments], input=stdin, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def certify(directory, address):
    """A CA, and a certificate of its making for the address. ca.crt comes last, and whole."""
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    path = lambda name: os.path.join(directory, name)
    with open(path("extensions"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName=IP:{address},DNS:kubernetes.default.svc\n")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=test CA", "-keyout", path("ca.key"), "-out", path("ca.new"))
    openssl(*new, "-subj", "/CN=kube-apiserver", "-keyout", path("server.key"), "-out", path("server.csr"))
    openssl("x509", "-req", "-days", "2", "-in", path("server.csr"), "-CA", path("ca.new"), "-CAkey", path("ca.key"),
            "-set_serial", "1", "-extfile", path("extensions"), "-out", path("server.crt"))
    os.rename(path("ca.new"), path("ca.crt"))


def serve(directory, address, port, version="1000"):
    os.makedirs(directory, exist_ok=True)
    if not os.path.exists(os.path.join(directory, "server.crt")):
        certify(directory, address)
    token = os.path.join(directory, "token")
    if not os.path.exists(token):
        with open(token, "w", encoding="ascii") as file:
            file.write("token-1\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.crt"), os.path.join(directory, "server.key"))
    world = Handler.world = World(directory, int(version))
    server = Server(address, int(port), context)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    ctl = os.path.join(directory, "ctl")
    if os.path.exists(ctl):
        os.unlink(ctl)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(ctl)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=obey, args=(world, connection), daemon=True).start()


def ctl(directory, *arguments):
    stdin = ""
    if arguments[0] == "put" and len(arguments) == 3:
        stdin = sys.stdin.read() if arguments[2] == "-" else open(arguments[2], encoding="utf-8").read()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.path.join(directory, "ctl"))
        with connection.makefile("rwb") as file:
            file.write(encode({"args": arguments, "stdin": stdin}) + b"\n")
            file.flush()
            answer = json.loads(file.readline())
    if "error" in answer:
        sys.exit(answer["error"])
    sys.stdout.write(answer["text"])


if __name__ == "__main__":
    if len(sys.argv) >= 5 and sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    elif len(sys.argv) >= 4 and sys.argv[1] == "ctl":
        ctl(*sys.argv[2:])
    else:
        sys.exit(__doc__)
