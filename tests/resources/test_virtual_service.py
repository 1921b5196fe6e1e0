"""What a VirtualService may say: Istio's own checks, with line, path and cause."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, refused, resource, spec

ROUTE = "route: [{destination: {host: reviews}}]"
TO_TWO = (
    "route:\n- destination: {host: reviews, subset: v1}\n  weight: 80\n- destination: {host: reviews, subset: v2}\n"
)


def rules(*each: str, more: str = "") -> str:
    """A VirtualService for reviews with these rules, each a YAML mapping; the first rule begins on line 7."""
    entries = "\n".join("- " + rule.strip().replace("\n", "\n  ") for rule in each)
    return resource("VirtualService", f"hosts: [reviews]\nhttp:\n{entries}\n{more}")


def test_all_fields_are_taken() -> None:
    """A VirtualService that uses each implemented field is accepted."""
    full = """
name: first
match:
- name: one
  uri: {prefix: /a}
  scheme: {exact: http}
  method: {exact: GET}
  authority: {regex: .*}
  headers: {End-User: {exact: jason}, x-there: {}}
  withoutHeaders: {x-a: {regex: "*"}, x-b: {prefix: p}}
  queryParams: {q: {exact: ""}}
  ignoreUriCase: true
  port: 9080
  sourceLabels: {app: productpage}
  sourceNamespace: default
  gateways: [mesh, default/edge]
  statPrefix: p
route:
- destination: {host: reviews, subset: v1, port: {number: 9080}}
  weight: 99
  headers: {request: {set: {x: "1"}, add: {z: "%REQ(a)%"}, remove: [w]}, response: {set: {x: "1"}}}
- {destination: {host: reviews.other.svc.cluster.local}, weight: 1}
rewrite: {uri: /b}
timeout: 1.5s
retries: {attempts: 3, perTryTimeout: 100ms, retryOn: "5xx,503", retryRemoteLocalities: true, retryIgnorePreviousHosts: null, backoff: 25ms}
fault: {delay: {fixedDelay: 7s, percentage: {value: 0.1}}, abort: {httpStatus: 555, percentage: {value: 100}}}
mirror: {host: ratings}
mirrorPercentage: {value: 0.00001}
corsPolicy:
  allowOrigins: [{exact: https://a.example.com}, {regex: .*}]
  allowMethods: [GET, "*"]
  allowHeaders: [x-a]
  exposeHeaders: [x-b]
  maxAge: 24h
  allowCredentials: true
  unmatchedPreflights: IGNORE
headers: {request: {set: {host: a.b}}}
"""
    read = spec(rules(full))
    assert read["http"][0]["timeout"] == "1.5s"
    assert read["http"][0]["corsPolicy"]["maxAge"] == "86400s"
    assert "retryIgnorePreviousHosts" not in read["http"][0]["retries"]


@pytest.mark.parametrize(
    "rule",
    [
        TO_TWO,
        "redirect: {uri: /x}",
        "redirect: {prefixRewrite: /x, redirectCode: 302}",
        "redirect: {derivePort: FROM_REQUEST_PORT}",
        "directResponse: {status: 404}",
        "directResponse: {status: 200, body: {bytes: aGVsbG8=}}",
        "directResponse: {status: 200, body: {string: hello}}",
        f"fault: {{abort: {{}}}}\n{ROUTE}",
        f"fault: {{abort: {{grpcStatus: NOT_FOUND}}}}\n{ROUTE}",
        f"fault: {{delay: {{percentage: {{value: 100}}}}}}\n{ROUTE}",
        f"rewrite: {{authority: a.b}}\n{ROUTE}",
        f"rewrite: {{uriRegexRewrite: {{match: /a/(.*), rewrite: /\\1}}}}\n{ROUTE}",
        f"mirrors: [{{destination: {{host: ratings}}}}, {{destination: {{host: details}}, percentage: {{value: 50}}}}]\n{ROUTE}",
        f"match: [{{}}]\n{ROUTE}",
        f"retries: {{attempts: 0}}\n{ROUTE}",
        f"match: [{{uri: {{prefix: ''}}}}]\n{ROUTE}",
        "route: [{destination: {host: reviews}, weight: 0}]",
    ],
)
def test_what_istio_takes(rule: str) -> None:
    """Rules that look odd but are sound are accepted."""
    assert problems(rules(rule)) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "timeout: 1s",
            "7: VirtualService default/it spec.http[0]: a rule needs a route, a redirect or a directResponse",
        ),
        (
            f"{ROUTE}\ntimeout: 0s",
            "8: VirtualService default/it spec.http[0].timeout: must be a duration of at least 1ms",
        ),
        (f"{ROUTE}\ntimeout: -3s", "spec.http[0].timeout: must be a duration of at least 1ms"),
        (
            f"{ROUTE}\ntimeout: 5",
            "spec.http[0].timeout: must be a duration with its unit, such as 5s, 100ms or 1h30m; this is the number 5",
        ),
        (f"{ROUTE}\ntimeout: 5 s", "spec.http[0].timeout: must be a duration with its unit"),
        (f"{ROUTE}\ntimeout:", "8: VirtualService default/it spec.http[0].timeout: has no value (null)"),
        (f"{ROUTE}\nwieght: 5", "8: VirtualService default/it spec.http[0].wieght: there is no field 'wieght' here"),
        (
            "route:\n- destination: {host: reviews}\n  wieght: 5",
            "9: VirtualService default/it spec.http[0].route[0].wieght: there is no field 'wieght' here; did you mean 'weight'?",
        ),
        (
            "route:\n- destination: {host: reviews}\n- destination: {host: ratings}",
            "spec.http[0].route: the weights of the 2 destinations add up to 0",
        ),
        (
            "route: [{destination: {host: reviews}, weight: -1}]",
            "spec.http[0].route[0].weight: must be from 0 to 2147483647; this is -1",
        ),
        (
            "route: [{destination: {host: reviews}, weight: 2147483647}, {destination: {host: a}, weight: 2147483647}, {destination: {host: b}, weight: 9}]",
            "add up to 2^32",
        ),
        (
            'route: [{destination: {host: reviews}, weight: "5"}]',
            "must be a whole number; this is the text '5': take the quotes away",
        ),
        ("route: [{destination: {host: reviews}, weight: 50.5}]", "must be a whole number; this is the number 50.5"),
        ("route: [{destination: {subset: v1}}]", "spec.http[0].route[0].destination: the field 'host' is missing"),
        ("route: [{weight: 5}]", "spec.http[0].route[0]: the field 'destination' is missing"),
        ('route: [{destination: {host: "*"}}]', "must name one host"),
        (
            "route: [{destination: {host: reviews, subset: v1.0}}]",
            "destination.subset: must be letters, digits and `-`",
        ),
        (
            "route: [{destination: {host: reviews, subset: 1}}]",
            "destination.subset: must be a text; this is the number 1 to YAML: put it in quotes",
        ),
        (
            "route: [{destination: {host: reviews, port: 9080}}]",
            "destination.port: must be a mapping such as {number: 9080}; this is the number 9080",
        ),
        (
            "route: [{destination: {host: reviews, port: {number: 70000}}}]",
            "destination.port.number: must be from 1 to 65535; this is 70000",
        ),
        (
            "route: [{destination: reviews}]",
            "destination: must be a mapping such as {host: reviews, subset: v1}; this is the text 'reviews'",
        ),
        (
            "route: {destination: {host: reviews}}",
            "spec.http[0].route: must be a list; this is a mapping: put a `-` before each item",
        ),
        (
            "redirect: {uri: /x}\ndirectResponse: {status: 200}",
            "spec.http[0].redirect: a rule cannot have both redirect and directResponse",
        ),
        (f"{ROUTE}\nredirect: {{uri: /x}}", "cannot have both redirect and route"),
        (
            "redirect: {uri: /x}\nfault: {abort: {httpStatus: 500}}",
            "spec.http[0].fault: a rule with a redirect cannot have a fault",
        ),
        (
            "directResponse: {status: 200}\nrewrite: {uri: /}",
            "spec.http[0].rewrite: a rule with a directResponse cannot have a rewrite",
        ),
        ("redirect: {}", "spec.http[0].redirect: must say where to"),
        ("redirect: {uri: /a, prefixRewrite: /b}", "'prefixRewrite' and 'uri' exclude each other"),
        ("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}", "'derivePort' and 'port' exclude each other"),
        ("redirect: {uri: /a, redirectCode: 200}", "redirectCode: must be from 300 to 399; this is 200"),
        ("redirect: {uri: /a, scheme: ftp}", "scheme: must be one of http, https"),
        ("directResponse: {body: {string: a}}", "the field 'status' is missing"),
        ("directResponse: {status: 199}", "must be from 200 to 599; this is 199"),
        ("directResponse: {status: 200, body: {string: a, bytes: YQ==}}", "'bytes' and 'string' exclude each other"),
        ("directResponse: {status: 200, body: {bytes: hello}}", "body.bytes: must be in base64"),
        (f"{ROUTE}\nrewrite: {{}}", "spec.http[0].rewrite: must say what to rewrite"),
        (f"{ROUTE}\nrewrite: {{uriRegexRewrite: {{match: a, rewrite: ''}}}}", "must have both a match and a rewrite"),
        (f"{ROUTE}\nrewrite: {{uri: /a, uriRegexRewrite: {{match: a, rewrite: b}}}}", "exclude each other"),
        (
            f"{ROUTE}\nrewrite: {{authority: a.b}}\nheaders: {{request: {{set: {{Host: c.d}}}}}}",
            "spec.http[0].headers.request.set.Host: the host is set twice, by rewrite.authority and headers.request.set.Host",
        ),
        (f"{ROUTE}\nheaders: {{request: {{set: {{host: a}}, add: {{':authority': b}}}}}}", "the host is set twice"),
        (f"{ROUTE}\nheaders: {{response: {{set: {{host: a}}}}}}", "'host' cannot be changed here"),
        (f"{ROUTE}\nheaders: {{request: {{remove: [host]}}}}", "'host' cannot be changed here"),
        (f"{ROUTE}\nheaders: {{request: {{set: {{x: 50%}}}}}}", "holds a single `%`"),
        (f"{ROUTE}\nheaders: {{request: {{set: {{x: 5}}}}}}", "must be a text; this is the number 5"),
        (f"{ROUTE}\nheaders: {{request: {{sett: {{x: a}}}}}}", "there is no field 'sett' here; did you mean 'set'?"),
        (f"{ROUTE}\nfault: {{}}", "spec.http[0].fault: must have an abort or a delay"),
        (f"{ROUTE}\nfault: {{abort: {{httpStatus: 99}}}}", "httpStatus: must be from 200 to 599; this is 99"),
        (f"{ROUTE}\nfault: {{abort: {{httpStatus: 500, grpcStatus: OK}}}}", "exclude each other"),
        (f"{ROUTE}\nfault: {{abort: {{grpcStatus: NOTFOUND}}}}", "did you mean 'NOT_FOUND'?"),
        (
            f"{ROUTE}\nfault: {{delay: {{fixedDelay: 1s, percentage: 50}}}}",
            "percentage: must be a mapping such as {value: 50}; this is the number 50",
        ),
        (
            f"{ROUTE}\nfault: {{delay: {{fixedDelay: 1s, percentage: {{value: 0.00005}}}}}}",
            "must be 0 or from 0.0001 to 100; this is 5e-05",
        ),
        (
            f"{ROUTE}\nfault: {{delay: {{fixedDelay: 1s, percentage: {{value: 101}}}}}}",
            "must be from 0 to 100; this is 101",
        ),
        (f"{ROUTE}\nretries: {{attempts: -1}}", "must be from 0 to 2147483647; this is -1"),
        (
            f"{ROUTE}\nretries: {{perTryTimeout: 1s}}",
            "without attempts nothing is retried, so perTryTimeout has no effect",
        ),
        (f"{ROUTE}\nretries: {{attempts: 1, retryOn: 5x}}", "'5x' is nothing to retry on"),
        (f'{ROUTE}\nretries: {{attempts: 1, retryOn: "5xx, reset"}}', "with commas (without blanks)"),
        (
            f"{ROUTE}\nmirror: {{host: a}}\nmirrors: [{{destination: {{host: b}}}}]",
            "'mirrors' and 'mirror' exclude each other",
        ),
        (f"{ROUTE}\nmirrorPercentage: {{value: 101}}", "must be from 0 to 100; this is 101"),
        (f"{ROUTE}\ncorsPolicy: {{allowMethods: [FETCH]}}", "this is the text 'FETCH'"),
        (f"{ROUTE}\ncorsPolicy: {{allowOrigins: [{{}}]}}", "must say which origin"),
        (f"{ROUTE}\ncorsPolicy: {{maxAge: 1500ms}}", "counts in whole seconds; this is 1.5s"),
        (f"{ROUTE}\ncorsPolicy: {{allowHeaders: ['a b']}}", "is no name of an HTTP header: 'a b'"),
        (f"match: [{{uri: {{exact: /a, prefix: /b}}}}]\n{ROUTE}", "'prefix' and 'exact' exclude each other"),
        (f"match: [{{uri: /a}}]\n{ROUTE}", "uri: must be a mapping such as {exact: /login}; this is the text '/a'"),
        (f"match: [{{uri: {{regex: '/(?!a)'}}}}]\n{ROUTE}", "no regular expression of RE2"),
        (f"match: [{{uri: {{regex: ''}}}}]\n{ROUTE}", "must not be empty"),
        (f"match: [{{headers: {{x: {{regex: '*'}}}}}}]\n{ROUTE}", "nothing stands before *"),
        (f"match: [{{headers: {{x: {{prefix: ''}}}}}}]\n{ROUTE}", "must not be empty"),
        (f"match: [{{headers: {{x: }}}}]\n{ROUTE}", "this is nothing (null)"),
        (
            f"match: [{{headers: {{x: {{exact: yes}}}}}}]\n{ROUTE}",
            "must be a text; this is the boolean true to YAML: put it in quotes",
        ),
        (f"match: [{{headers: {{'a b': {{exact: c}}}}}}]\n{ROUTE}", "is no name of an HTTP header"),
        (
            f"match: [{{header: {{x: {{exact: a}}}}}}]\n{ROUTE}",
            "there is no field 'header' here; did you mean 'headers'?",
        ),
        (f"match: [{{port: 65536}}]\n{ROUTE}", "must be from 0 to 65535"),
        (f"match: [{{sourceNamespace: a.b}}]\n{ROUTE}", "sourceNamespace: must be letters"),
        (f"match: [{{gateways: [a/b/c]}}]\n{ROUTE}", "must be namespace/name"),
        (f"match: {{uri: {{prefix: /}}}}\n{ROUTE}", "must be a list; this is a mapping"),
        (f"match: [null]\n{ROUTE}", "spec.http[0].match[0]: must be a mapping; this is nothing (null)"),
    ],
)
def test_what_is_wrong_with_a_rule(rule: str, said: str) -> None:
    """Each mistake of a rule is named with its place and its cause, and is the only thing complained of."""
    found = problems(rules(rule))
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("hosts: [reviews]", "spec: says nothing: give it `http`, `tcp` or `tls` rules"),
        (
            "hosts: ['*']\nhttp: [{%s}]",
            "5: VirtualService default/it spec.hosts[0]: the host * is not allowed on the mesh",
        ),
        ("hosts: ['*']\ngateways: []\nhttp: [{%s}]", "the host * is not allowed on the mesh"),
        ("hosts: ['*']\ngateways: [edge, mesh]\nhttp: [{%s}]", "the host * is not allowed on the mesh"),
        ("hosts: []\ngateways: [edge]\nhttp: [{%s}]", "spec: a VirtualService without hosts is a delegate"),
        ("hosts: [reviews, reviews]\nhttp: [{%s}]", "spec.hosts[1]: 'reviews' is covered by 'reviews' beside it"),
        ("hosts: [a.b.com, '*.b.com']\nhttp: [{%s}]", "spec.hosts[0]: 'a.b.com' is covered by '*.b.com' beside it"),
        ("hosts: ['*.com', '*.b.com']\nhttp: [{%s}]", "spec.hosts[1]: '*.b.com' is covered by '*.com' beside it"),
        ("hosts: [a_b]\nhttp: [{%s}]", "is no host name: 'a_b'"),
        ("hosts: reviews\nhttp: [{%s}]", "spec.hosts: must be a list; this is the text 'reviews'"),
        ("hosts: [5]\nhttp: [{%s}]", "spec.hosts[0]: must be a text; this is the number 5"),
        (
            "hosts: [reviews]\nexportTo: ['.', '.']\nhttp: [{%s}]",
            "spec.exportTo[1]: '.' stands beside what says the same",
        ),
        ("hosts: [reviews]\nexportTo: ['*', default]\nhttp: [{%s}]", "spec.exportTo[0]: '*' stands beside"),
        ("hosts: [reviews]\nexportTo: ['~']\nhttp: [{%s}]", "spec.exportTo[0]: must be letters"),
        ("host: [reviews]\nhttp: [{%s}]", "spec.host: there is no field 'host' here; did you mean 'hosts'?"),
        ("hosts: [reviews]\nhttps: [{%s}]", "there is no field 'https' here; did you mean 'http'?"),
        ("hosts: [reviews]\nhttp: {%s}", "spec.http: must be a list"),
        ("hosts: [reviews]\nhttp:", "spec.http: has no value (null)"),
        ("[]", "4: VirtualService default/it spec: must be a mapping; this is a list"),
    ],
)
def test_what_is_wrong_with_the_whole(given: str, said: str) -> None:
    """Mistakes beside the rules are named as well."""
    found = problems(resource("VirtualService", given.replace("%s", ROUTE)))
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            rules(
                f"match: [{{headers: {{'@request.auth.claims.sub': {{exact: a}}}}}}]\n{ROUTE}", more="gateways: [edge]"
            ),
            ["spec.http[0].match[0].headers.@request.auth.claims.sub"],
        ),
        (
            rules(
                f"match: [{{withoutHeaders: {{'@request.auth.claims[a][b]': {{}}}}}}]\n{ROUTE}", more="gateways: [edge]"
            ),
            ["spec.http[0].match[0].withoutHeaders.@request.auth.claims[a][b]"],
        ),
        (rules(f"fault: {{abort: {{httpStatus: 600}}}}\n{ROUTE}"), ["spec.http[0].fault.abort.httpStatus"]),
        (rules(f"fault: {{delay: {{percent: 101}}}}\n{ROUTE}"), ["spec.http[0].fault.delay.percent"]),
        (rules("redirect: {uri: /a, redirectCode: 304}"), ["spec.http[0].redirect.redirectCode"]),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, fields: list[str]) -> None:
    """A sound field that the local mesh does not implement is refused, never ignored."""
    assert refused(text) == fields


def test_wrong_comes_before_not_implemented() -> None:
    """Where something is wrong, what is not implemented is not mentioned."""
    assert problems(rules("delegate: {name: a}", f"{ROUTE}\ntimeout: 5")) == [
        "9: VirtualService default/it spec.http[1].timeout: must be a duration with its unit, such as 5s, 100ms or 1h30m; this is the number 5"
    ]


def test_all_problems_at_once() -> None:
    """Several mistakes are said together, each on a line of its own."""
    found = problems(
        rules(f"timeout: 5\nretries: {{attempts: x}}\n{ROUTE}", "timeot: 1s", "route: [{destination: {hots: a}}]")
    )
    assert [line.split(" ")[3].rstrip(":") for line in found] == [
        "spec.http[0].timeout",
        "spec.http[0].retries.attempts",
        "spec.http[1].timeot",
        "spec.http[2].route[0].destination.hots",
        "spec.http[2].route[0].destination",
    ]
    assert found[3].endswith("there is no field 'hots' here; did you mean 'host'?")
