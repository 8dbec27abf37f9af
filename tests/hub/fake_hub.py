"""A Hub on this machine: what huggingface_hub and transformers ask for to create, commit and download models.

It keeps repositories in memory, answers by the routes and headers of the real one, takes weights by LFS, and lets no
one write without the token. Metadata of cards is checked as far as the tests need it.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_" + "fakeTokenOfTheTests" * 2
USER = "tester"
_LFS_ENDINGS = (".safetensors", ".bin", ".png")


@dataclass
class Commit:
    """One commit: its name, its message, and all files after it."""

    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repository:
    """One model repository: branches by name, the newest commit of each last."""

    private: bool
    branches: dict[str, list[Commit]] = field(default_factory=dict)

    def commit(self, branch: str, message: str, files: dict[str, bytes]) -> Commit:
        commits = self.branches.setdefault(branch, [])
        number = sum(len(one) for one in self.branches.values())
        commits.append(Commit(hashlib.sha1(f"{branch} {number} {message}".encode()).hexdigest(), message, files))
        return commits[-1]

    def find(self, revision: str) -> Commit | None:
        if revision in self.branches:
            return self.branches[revision][-1]
        return next((one for commits in self.branches.values() for one in commits if one.oid == revision), None)


class FakeHub:
    """The server. `broken` names a step that is refused: `lfs` or `commit`; `busy` is every one, for a while."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.broken: str | None = None
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What lies in a repository, by path."""
        commit = self.repositories[repo_id].find(revision)
        return dict(commit.files) if commit else {}


class _Handler(BaseHTTPRequestHandler):
    """One request; the hub is set by `FakeHub`."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: the tests' output is theirs."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def _answer(self, respond) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        self.hub.requests.append(f"{self.command} {parts.path}")
        if self.hub.broken == "busy":
            return self._refuse(503, "", "try again later")
        respond([unquote(part) for part in parts.path.strip("/").split("/")])

    def _send(self, status: int, content: object = None, **headers: str) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repository(self, repo_id: str) -> Repository | None:
        """None of a name that is not there, or that this request may not see, as the real Hub does."""
        found = self.hub.repositories.get(repo_id)
        if found is None or (found.private and not self._known):
            self._refuse(404, "RepoNotFound", "Repository not found")
            return None
        return found

    def _get(self, parts: list[str]) -> None:
        match parts:
            case ["api", "whoami-v2"]:
                status = 200 if self._known else 401
                self._send(status, {"type": "user", "name": USER, "orgs": [], "auth": {"type": "access_token"}})
            case ["api", "models", owner, name]:
                self._info(f"{owner}/{name}", "main")
            case ["api", "models", owner, name, "revision", revision]:
                self._info(f"{owner}/{name}", revision)
            case ["api", "models", owner, name, "tree", revision, *folder]:
                self._tree(f"{owner}/{name}", revision, "/".join(folder))
            case [owner, name, "resolve", revision, *path]:
                self._file(f"{owner}/{name}", revision, "/".join(path))
            case _:
                self._refuse(404, "EntryNotFound", "no such route")

    def _info(self, repo_id: str, revision: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        commit = repository.find(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        siblings = [{"rfilename": path} for path in commit.files]
        self._send(
            200, {"id": repo_id, "private": repository.private, "sha": commit.oid, "siblings": siblings, "tags": []}
        )

    def _tree(self, repo_id: str, revision: str, folder: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        commit = repository.find(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        inside = {
            path: content for path, content in commit.files.items() if not folder or path.startswith(folder + "/")
        }
        if folder and not inside:
            return self._refuse(404, "EntryNotFound", "no such folder")
        entries = [{"type": "file", "path": path, "oid": _etag(raw), "size": len(raw)} for path, raw in inside.items()]
        self._send(200, entries)

    def _file(self, repo_id: str, revision: str, path: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        commit = repository.find(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        if path not in commit.files:
            return self._refuse(404, "EntryNotFound", "Entry not found")
        raw = commit.files[path]
        self._send(200, raw, ETag=f'"{_etag(raw)}"', X_Repo_Commit=commit.oid)

    def _post(self, parts: list[str]) -> None:
        if parts == ["api", "validate-yaml"]:
            return self._validate(json.loads(self.body)["content"])
        if not self._known:
            return self._refuse(401, "", "Invalid username or password.")
        match parts:
            case ["api", "repos", "create"]:
                self._create(json.loads(self.body))
            case ["api", "models", owner, name, "preupload", _]:
                if self._repository(f"{owner}/{name}"):
                    self._modes(json.loads(self.body)["files"])
            case ["api", "models", owner, name, "branch", branch]:
                self._branch(f"{owner}/{name}", branch)
            case ["api", "models", owner, name, "commit", revision]:
                self._commit(f"{owner}/{name}", revision)
            case [_, _, "info", "lfs", "objects", "batch"]:
                self._lfs_batch(json.loads(self.body)["objects"])
            case _:
                self._refuse(404, "EntryNotFound", "no such route")

    def _validate(self, content: str) -> None:
        errors = _metadata_errors(content)
        self._send(400 if errors else 200, {"errors": [{"message": one} for one in errors], "warnings": []})

    def _create(self, wanted: dict) -> None:
        repo_id = f"{wanted.get('organization') or USER}/{wanted['name']}"
        address = {"url": f"{self.hub.url}/{repo_id}", "id": repo_id}
        if repo_id in self.hub.repositories:
            return self._send(409, {**address, "error": "You already created this model repo"})
        repository = Repository(private=wanted.get("visibility") == "private")
        repository.commit("main", "initial commit", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self.hub.repositories[repo_id] = repository
        self._send(200, address)

    def _modes(self, files: list[dict]) -> None:
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(_LFS_ENDINGS) else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        self._send(200, {"files": modes})

    def _lfs_batch(self, objects: list[dict]) -> None:
        answers = []
        for one in objects:
            upload = {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}", "header": {}}}
            answers.append({**one, **({} if one["oid"] in self.hub.large_files else {"actions": upload})})
        self._send(200, {"transfer": "basic", "objects": answers})

    def _put(self, parts: list[str]) -> None:
        if self.hub.broken == "lfs":
            return self._refuse(403, "", "storage is full")
        oid = parts[-1]
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self._refuse(400, "", "content and hash differ")
        self.hub.large_files[oid] = self.body
        self._send(200, {})

    def _branch(self, repo_id: str, branch: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        if branch in repository.branches:
            return self._send(409, {"error": "Reference already exists"})
        repository.commit(branch, "branch", self.hub.files(repo_id))
        self._send(200, {})

    def _commit(self, repo_id: str, revision: str) -> None:
        repository = self._repository(repo_id)
        if repository is None:
            return
        if self.hub.broken == "commit":
            return self._refuse(403, "", "commits are closed")
        parent = repository.find(revision)
        if parent is None:
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        files, message = dict(parent.files), ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large_files[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        requested = "create_pr" in self.query
        number = sum(name.startswith("refs/pr/") for name in repository.branches) + 1
        commit = repository.commit(f"refs/pr/{number}" if requested else revision, message, files)
        answer = {"commitOid": commit.oid, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit.oid}"}
        if requested:
            answer["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/{number}"
        self._send(200, answer)


def _etag(raw: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


def _metadata_errors(content: str) -> list[str]:
    """What the real Hub would refuse of the metadata of a card: the rules that these cards could break."""
    block = re.match(r"---\n(.*?)\n---", content, re.DOTALL)
    data = yaml.safe_load(block.group(1)) if block else {}
    errors = []
    license_name = data.get("license")
    if license_name is not None and not re.fullmatch(r"[a-z0-9.+-]+", str(license_name)):
        errors.append('"license" must be one of the known identifiers')
    for name in data.get("datasets") or []:
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            errors.append('"datasets[0]" with value is not valid')
    if not all(isinstance(tag, str) for tag in data.get("tags") or []):
        errors.append('"tags" must be an array of strings')
    for model in data.get("model-index") or []:
        if not isinstance(model.get("name"), str):
            errors.append('"model-index[0].name" must be a string')
        for result in model.get("results") or [{}]:
            if not {"type"} <= set(result.get("task", {})) or not {"type", "name"} <= set(result.get("dataset", {})):
                errors.append('"model-index[0].results[0]" needs task.type, dataset.type and dataset.name')
            for metric in result.get("metrics") or [{}]:
                if not isinstance(metric.get("type"), str) or not isinstance(metric.get("value"), int | float):
                    errors.append('"model-index[0].results[0].metrics[0]" needs type and value')
    return errors
