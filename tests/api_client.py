"""A client of the HTTP API that believes nothing: every answer is held against the OpenAPI document."""

import json
import re

from jsonschema import Draft202012Validator

from tests.status_server import TOKENS

CHIEF = TOKENS["chief"].token


class ApiClient:
    """``seen`` are the operations and statuses that were answered as the document says."""

    def __init__(self, server, document):
        self.server = server
        self.document = document
        self.seen = set()

    async def ask(self, method, path, *, token=CHIEF, **more):
        """Status, headers, and the JSON that came (None for none)."""
        response = await self.server.ask(method, path, token=token, **more)
        body = await response.read() if response._body is None else response._body
        value = json.loads(body) if body else None
        self.check(method, path, response, value)
        return response.status, response.headers, value

    def check(self, method, path, response, value):
        operation = self.operation(method, path)
        if operation is None:
            assert response.status in (401, 404, 405, 421, 429), (
                "an answer that the document does not know"
            )
            self._check_problem(response, value)
            return
        answers = operation["responses"]
        assert str(response.status) in answers, (
            f"{operation['operationId']} answered {response.status}: {value}"
        )
        answer = answers[str(response.status)]
        content = answer.get("content", {})
        if not content:
            assert value is None
        else:
            assert response.content_type in content
            self._validate(content[response.content_type]["schema"], value)
        for name, header in answer.get("headers", {}).items():
            assert name in response.headers
            given = response.headers[name]
            self._validate(
                header["schema"], int(given) if header["schema"]["type"] == "integer" else given
            )
        if response.status >= 400:
            self._check_problem(response, value)
        self.seen.add((operation["operationId"], response.status))

    def operation(self, method, path):
        """The document's entry for a request, by the document's own paths."""
        plain = path.partition("?")[0]
        for template, methods in self.document["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if re.fullmatch(pattern, plain) and method.lower() in methods:
                return methods[method.lower()]
        return None

    def _check_problem(self, response, value):
        assert "application/problem+json" == response.content_type
        self._validate({"$ref": "#/components/schemas/Problem"}, value)
        assert response.status == value["status"]
        assert value["detail"]

    def _validate(self, schema, value):
        whole = {**schema, "components": self.document["components"]}
        Draft202012Validator(whole).validate(value)


async def client_of(server):
    """A client with the document that the server itself gives."""
    response = await server.get("/api/openapi.json")
    assert 200 == response.status
    return ApiClient(server, json.loads(await response.text()))
