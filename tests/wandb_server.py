"""A fake W&B server on localhost: the parts of GraphQL, file stream and uploads that wandb 0.31 uses, and failure modes."""

import gzip
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
PROJECT = {"id": "P", "name": "p", "entity": {"id": "E", "name": "someone"}}


class WandbServer:
    """A context manager. If `status` is set, every response has that HTTP status. `hang_s` delays every response."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.hang_s = 0.0
        self.slow = ""  # a GraphQL operation that is never answered while it is set
        self.requests = 0
        self.runs: dict[str, Json] = {}  # id -> the variables that the client sent
        self.rows: dict[str, list[Json]] = {}  # id -> history; a chunk replaces the rows from its offset on
        self.exits: dict[str, int] = {}
        self.uploads: dict[str, bytes] = {}
        self.artifacts: list[Json] = []  # as the client declared them
        self.summaries: dict[str, Json] = {}
        self.views: dict[str, Json] = {}  # id -> a workspace view or report, as the client sent it
        self.calls: Counter[str] = Counter()  # GraphQL operations, and "stream RUN" for each request with history
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "WandbServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.socket.close()

    def steps(self, run_id: str) -> list[int]:
        """The steps in a run's history."""
        return [row["_step"] for row in self.rows.get(run_id, [])]

    def post(self, path: str, body: Json) -> Json:
        """The response to a POST request."""
        if path.endswith("/graphql"):
            found = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
            self.calls[found.group(1) if found else ""] += 1
            while found and found.group(1) == self.slow:
                time.sleep(0.1)
            answer = self.ANSWERS.get(found.group(1)) if found else None
            return {"data": answer(self, body.get("variables") or {}) if answer else {}}
        if stream := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path):
            run_id = stream.group(1)
            self.calls[f"stream {run_id}"] += 1
            if chunk := (body.get("files") or {}).get("wandb-summary.json"):
                self.summaries.setdefault(run_id, {}).update(json.loads(chunk["content"][-1]))
            if chunk := (body.get("files") or {}).get("wandb-history.jsonl"):
                rows = self.rows.setdefault(run_id, [])
                rows[chunk["offset"] :] = [json.loads(line) for line in chunk["content"]]
            if body.get("complete"):
                self.exits[run_id] = body["exitcode"]
            return {"exitcode": None, "limits": {}}
        return {}

    def _upsert(self, variables: Json) -> Json:
        run_id = variables.get("name") or variables["id"]
        self.runs.setdefault(run_id, {}).update({key: value for key, value in variables.items() if value is not None})
        bucket = {"id": run_id, "name": run_id, "displayName": run_id, "description": None, "config": "{}", "sweepName": None}
        entity = {"id": "E", "name": variables.get("entity") or "someone"}
        project = {"id": "P", "name": variables.get("project") or "p", "entity": entity}
        return {"upsertBucket": {"bucket": {**bucket, "historyLineCount": 0, "project": project}, "inserted": True}}

    def _resume(self, variables: Json) -> Json:
        rows = self.rows.get(variables["name"])
        if not rows:
            return {"model": {**PROJECT, "bucket": None}}
        counts = {"historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0}
        texts = {"historyTail": json.dumps([json.dumps(rows[-1])]), "eventsTail": "[]", "summaryMetrics": "{}", "config": "{}"}
        run = {"id": variables["name"], "name": variables["name"], "displayName": variables["name"], "tags": [], "notes": None}
        return {"model": {**PROJECT, "bucket": {**run, **counts, **texts, "wandbConfig": '{"t": {"1": 1}}'}}}

    def _files(self, variables: Json) -> Json:
        run_id = variables.get("run") or variables.get("runName")
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{run_id}/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": run_id, "uploadHeaders": [], "files": files}}

    def _viewer(self, _: Json) -> Json:
        person = {"id": "U", "username": "someone", "entity": "someone", "flags": "{}", "email": "someone@example.org", "admin": False}
        return {"viewer": {**person, "name": "someone", "teams": {"edges": []}, "apiKeys": {"edges": []}}}

    def _artifact(self, variables: Json) -> Json:
        self.artifacts.append(variables["input"])
        sequence = {"id": "S", "latestArtifact": None}
        return {"createArtifact": {"artifact": {"id": f"A{len(self.artifacts)}", "state": "PENDING", "artifactSequence": sequence}}}

    def _upsert_view(self, variables: Json) -> Json:
        view_id = variables.get("id") or f"V{len(self.views)}"
        inserted = view_id not in self.views
        view = self.views.setdefault(view_id, {})
        view |= {key: value for key, value in variables.items() if value is not None} | {"id": view_id}
        project = {"id": "P", "name": view["projectName"], "entityName": view["entityName"]}
        return {"upsertView": {"view": {**view, "project": project}, "inserted": inserted}}

    def _views(self, variables: Json) -> Json:
        kind, name = variables.get("viewType") or "runs", variables.get("viewName")
        found = [view for view in self.views.values() if view["type"] == kind and name in (None, view["name"])]
        edges = [
            {"node": {**view, "user": None, "updatedAt": "2026-01-01T00:00:00Z", "createdAt": "2026-01-01T00:00:00Z"}, "cursor": view["id"]}
            for view in found
        ]
        return {"project": {"allViews": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}}

    def _projects(self, variables: Json) -> Json:
        about = {"id": "P", "name": "ganstudy", "entityName": "someone", "createdAt": "", "isBenchmark": False, "user": None}
        return {"models": {"edges": [{"node": about, "cursor": "c"}], "pageInfo": {"endCursor": None, "hasNextPage": False}}}

    def _manifest(self, operation: str) -> Json:
        file = {
            "id": "F",
            "name": "m",
            "displayName": "m",
            "uploadUrl": f"{self.url}/upload/manifest/{len(self.uploads)}",
            "uploadHeaders": [],
        }
        return {operation: {"artifactManifest": {"id": "M", "file": file}}}

    def _artifact_files(self, variables: Json) -> Json:
        files = [
            {
                "id": str(number),
                "name": file["name"],
                "displayName": file["name"],
                "uploadUrl": f"{self.url}/upload/artifact/{file['name']}",
                "uploadHeaders": [],
                "storagePath": f"x/{file['name']}",
                "artifact": {"id": file["artifactID"]},
                "uploadMultipartUrls": None,
            }
            for number, file in enumerate(variables["input"]["artifactFiles"])
        ]
        return {"createArtifactFiles": {"files": {"edges": [{"node": file} for file in files]}}}

    ANSWERS: dict[str, Callable[["WandbServer", Json], Json]] = {
        "ServerFeaturesQuery": lambda self, _: {"serverInfo": {"features": []}},
        "Viewer": _viewer,
        "GetDefaultEntity": _viewer,
        "UpsertBucket": _upsert,
        "RunResumeStatus": _resume,
        "CreateRunFiles": _files,
        "ArtifactType": lambda self, _: {"project": None},
        "CreateArtifact": _artifact,
        "CreateArtifactManifest": lambda self, _: self._manifest("createArtifactManifest"),
        "UpdateArtifactManifest": lambda self, _: self._manifest("updateArtifactManifest"),
        "CreateArtifactFiles": _artifact_files,
        "CommitArtifact": lambda self, _: {"commitArtifact": {"artifact": {"id": "A", "digest": "d"}}},
        "UpsertView2": _upsert_view,
        "upsertView": _upsert_view,
        "View": _views,
        "ProjectViews": _views,
        "GetProjects": _projects,
        "RunStoppedStatus": lambda self, _: {"project": {"run": {"stopped": False}}},
    }


def handler(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    """A request handler class for the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client was killed
                super().handle()

        def do_GET(self) -> None:
            self._answer(lambda body: {})

        def do_PUT(self) -> None:
            self._answer(lambda body: server.uploads.__setitem__(self.path, body) or {})  # type: ignore[func-returns-value]

        def do_POST(self) -> None:
            ours = self.path.endswith(("/graphql", "/file_stream"))  # others, such as telemetry, are no JSON
            self._answer(lambda body: server.post(self.path, json.loads(body)) if ours else {})

        def _answer(self, respond: Callable[[bytes], Json]) -> None:
            server.requests += 1
            body = self._body()
            time.sleep(server.hang_s)
            answer = json.dumps({"error": "failure requested by the test"} if server.status else respond(body)).encode()
            self.send_response(server.status or 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _body(self) -> bytes:
            body = b""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    return Handler
