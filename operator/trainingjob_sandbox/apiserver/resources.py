"""Reads and writes of objects over HTTP: each request becomes one call of the store.

Decides which call. After a write the store does what a cluster's controllers would (garbage collection).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.apiserver import answers, requests
from trainingjob_sandbox.apiserver.logs import pod_log
from trainingjob_sandbox.apiserver.streams import LONGEST_SECONDS, Stream, failed
from trainingjob_sandbox.apiserver.targets import Target, no_such_page, target_of
from trainingjob_sandbox.store import Record, Store
from trainingjob_sandbox.store.errors import method_not_allowed, not_found
from trainingjob_sandbox.store.record import metadata_of

Handler: TypeAlias = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]
INITIAL_END = "k8s.io/initial-events-end"


def _check_subresource(target: Target) -> None:
    """Raise NotFound for a part of an object that its kind does not have."""
    if not target.subresource or target.subresource in target.kind.subresources:
        return
    raise not_found(target.resource, target.name) if target.kind.custom else no_such_page()


class Resources:
    """The handlers under ``/api`` and ``/apis`` for a store. ``closing`` ends the watches."""

    def __init__(self, store: Store, session: aiohttp.ClientSession, closing: asyncio.Event) -> None:
        self._store = store
        self._session = session
        self._closing = closing
        self._streams: dict[asyncio.Event, None] = {}
        self._collection: Mapping[str, Handler] = {
            "GET": self._list,
            "HEAD": self._list,
            "POST": self._create,
            "DELETE": self._delete_all,
        }
        self._object: Mapping[str, Handler] = {
            "GET": self._get,
            "HEAD": self._get,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request for objects."""
        target = target_of(request.raw_path.partition("?")[0], self._store.catalog)
        if target.subresource in ("log", "binding", "eviction"):
            return await self._special(request, target)
        if requests.flag(request, "watch") and request.method == "GET" and not target.name:
            return await self._watch(request, target)
        _check_subresource(target)
        handler = (self._object if target.name else self._collection).get(request.method)
        if handler is None:
            raise method_not_allowed()
        return await handler(request, target)

    def end_streams(self) -> None:
        """Let every open watch notice that the server is closing."""
        for news in tuple(self._streams):
            news.set()

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        record = self._store.get(target.resource, target.namespace, target.name)
        return self._one(request, target, record)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        chosen = requests.selection(request)
        version = requests.list_version(request)
        page = self._store.list(
            target.resource,
            target.namespace,
            labels=chosen.labels,
            fields=chosen.fields,
            # Version 0 asks for whatever is at hand, and that comes whole.
            limit=0 if version == "0" else requests.number(request, "limit"),
            token=request.query.get("continue", ""),
        )
        form, include = requests.form_of(request), request.query.get("includeObject", "")
        return answers.answer(answers.many(target.kind, page, form, self._store.clock(), include))

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.kind.resource.namespaced and target.namespace is None:
            raise method_not_allowed()
        warnings: list[str] = []
        options = requests.write_options(request, warnings)
        body = await requests.json_body(request)
        record = self._store.create(target.resource, target.namespace, body, options)
        return self._written(request, target, record, 201, warnings)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        warnings: list[str] = []
        options = requests.write_options(request, warnings)
        record = self._store.replace(
            target.resource,
            target.namespace,
            target.name,
            await requests.json_body(request),
            subresource=target.subresource,
            options=options,
        )
        return self._written(request, target, record, 200, warnings)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        warnings: list[str] = []
        options = requests.write_options(request, warnings)
        body = await requests.json_body(request)
        existed = self._store.exists(target.resource, target.namespace, target.name)
        record = self._store.patch(
            target.resource,
            target.namespace,
            target.name,
            body,
            content_type=requests.patch_type(request),
            subresource=target.subresource,
            options=options,
        )
        return self._written(request, target, record, 200 if existed else 201, warnings)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = await requests.delete_options(request)
        answer = self._store.deleted(target.resource, target.namespace, target.name, options)
        self._store.collect_garbage()
        return answers.answer(answer)

    async def _delete_all(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = await requests.delete_options(request)
        chosen = requests.selection(request)
        page = self._store.list(target.resource, target.namespace, labels=chosen.labels, fields=chosen.fields)
        for record in page.records:
            meta = metadata_of(record.object)
            self._store.delete(target.resource, meta.get("namespace"), meta["name"], options)
        self._store.collect_garbage()
        form, include = requests.form_of(request), request.query.get("includeObject", "")
        return answers.answer(answers.many(target.kind, page, form, self._store.clock(), include))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        chosen = requests.selection(request)
        initial = requests.initial_events(request)
        try:
            watch = self._store.watch(
                target.resource,
                target.namespace,
                labels=chosen.labels,
                fields=chosen.fields,
                version=request.query.get("resourceVersion", ""),
                initial=initial,
            )
        except ApiError as error:
            if error.status != 410:
                raise
            return await failed(request, error)
        news = asyncio.Event()
        stream = Stream(
            watch,
            self._encoder(request, target),
            self._bookmarker(request, target) if requests.flag(request, "allowWatchBookmarks") else None,
            requests.number(request, "timeoutSeconds") or LONGEST_SECONDS,
            self._closing,
            news,
            initial,
        )
        self._streams[news] = None
        try:
            return await stream.answer(request)
        finally:
            del self._streams[news]

    async def _special(self, request: web.Request, target: Target) -> web.StreamResponse:
        """The subresources of pods that are no part of the object."""
        if target.subresource not in target.kind.subresources or target.namespace is None:
            raise no_such_page()
        if target.subresource == "log":
            if request.method != "GET":
                raise method_not_allowed()
            return await pod_log(request, self._store, self._session, target.namespace, target.name)
        if request.method != "POST":
            raise method_not_allowed()
        body = await requests.json_body(request)
        if target.subresource == "binding":
            node = str((body.get("target") or {}).get("name") or "")
            self._store.bind(target.namespace, target.name, node)
        else:
            self._store.evict(
                target.namespace, target.name, requests.options_of(body.get("deleteOptions") or {}, request)
            )
        self._store.collect_garbage()
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return answers.answer(done, status=201)

    def _written(
        self, request: web.Request, target: Target, record: Record, status: int, warnings: list[str]
    ) -> web.StreamResponse:
        self._store.collect_garbage()
        return self._one(request, target, record, status, warnings)

    def _one(
        self, request: web.Request, target: Target, record: Record, status: int = 200, warnings: Any = ()
    ) -> web.StreamResponse:
        form, include = requests.form_of(request), request.query.get("includeObject", "")
        body = answers.one(target.kind, record, form, self._store.clock(), include)
        return answers.answer(body, status, warnings)

    def _encoder(self, request: web.Request, target: Target) -> Callable[[Record], bytes]:
        form, include = requests.form_of(request), request.query.get("includeObject", "")
        if form == "object":
            return lambda record: record.encoded
        return lambda record: answers.one(target.kind, record, form, self._store.clock(), include)

    def _bookmarker(self, request: web.Request, target: Target) -> Callable[[bool], Any]:
        form = requests.form_of(request)
        resource = target.resource

        def bookmark(ends_initial: bool) -> Object:
            meta: Object = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
            if ends_initial:
                meta["annotations"] = {INITIAL_END: "true"}
            if form == "object":
                return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
            partial = answers.partial({"metadata": meta})
            if form == "metadata":
                return partial
            row = {"cells": [], "object": partial}
            return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "rows": [row]}

        return bookmark
