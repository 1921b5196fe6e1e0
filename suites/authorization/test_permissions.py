"""What may be asked how: policies by path, method, host, header and port, as tables."""

import pytest

from meshtest import permissions

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "*readers:rules[3].to[1]*": "the workload has one port only, and this is about another",
    "*readers:rules[3].to[0].operation.ports:removed": "the workload has one port only",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(skip=NOT_NOTICED)]

PATHS = permissions("""
    asked                              client  ingress
    GET http://shelf:8000/public/a     yes     -
    GET http://shelf:8000/public/a/b   yes     -
    GET http://shelf:8000/public       no      -
    GET http://shelf:8000/exact        yes     -
    GET http://shelf:8000/exact/a      no      -
    GET http://shelf:8000/a/look.css   yes     -
    GET http://shelf:8000/look.css.a   no      -
    GET http://shelf:8000/team/a/open  yes     -
    GET http://shelf:8000/team/open    no      -
    GET http://shelf:8000/elsewhere    no      -
    GET /public/a                      -       yes
    GET /elsewhere                     -       no
""")

METHODS_AND_HEADERS = permissions("""
    asked                                                 client
    HEAD http://shelf:8000/exact                          yes
    POST http://shelf:8000/exact                          no
    POST http://shelf:8000/write                          no
    POST http://shelf:8000/write (x-role: editor)         yes
    POST http://shelf:8000/write (x-role: editors)        no
    POST http://shelf:8000/write (x-role: tester)         yes
    POST http://shelf:8000/write (x-role: tester-of-old)  no
    POST http://shelf:8000/a/write (x-role: editor)       no
    GET http://shelf:8000/write (x-role: editor)          no
""")

HOSTS_AND_PORTS = permissions("""
    asked                                           client  ingress
    GET http://internal.example.com/any             -       yes
    GET http://INTERNAL.example.com/any             -       yes
    GET http://a.internal.example.com/any           -       no
    POST http://internal.example.com/public/secret  -       no
    POST http://internal.example.com/public/any     -       yes
    GET http://shelf:8000/by-port                   yes     -
    GET http://shelf:8000/other-port                no      -
""")

DENIED_FIRST = permissions("""
    asked                                            client  ingress
    GET http://shelf:8000/public/admin               no      -
    GET http://shelf:8000/public/admin/a             no      -
    HEAD http://shelf:8000/public/admin              yes     -
    GET http://shelf:8000/public/b                   yes     -
    GET http://shelf:8000/public/b (x-blocked: any)  no      -
    GET http://shelf:8000/exact (x-blocked: any)     yes     -
    GET /public/admin                                -       no
""")

SEVERAL = permissions("""
    asked                               client
    GET http://shelf:8000/exact         yes
    GET http://shelf:8000/elsewhere     no
    GET http://shelf:8000/public/admin  no
    GET http://echo:8000/elsewhere      yes
    GET http://echo:8000/public/admin   yes
""")


def test_paths(mesh):
    """An ALLOW policy lets in the paths that it names, exactly, by their begin or end, or by a template, and no others."""
    mesh.apply("test_permissions.yaml")
    mesh.expect(PATHS)


def test_methods_and_headers(mesh):
    """All parts of a rule must fit: the method, the path, and the values of headers that `when` asks for."""
    mesh.apply("test_permissions.yaml")
    mesh.expect(METHODS_AND_HEADERS)


def test_hosts_and_ports(mesh):
    """Hosts are compared in any case, ports are those of the workload, and `notPaths` takes paths out of a rule."""
    mesh.apply("test_permissions.yaml")
    mesh.expect(HOSTS_AND_PORTS)


def test_deny_comes_first(mesh):
    """What a DENY policy names is turned away though an ALLOW policy names it too."""
    mesh.apply("test_permissions.yaml")
    mesh.expect(DENIED_FIRST)


def test_selected_workloads(mesh):
    """A policy counts for the workloads that it selects; where none does, everything is let in."""
    mesh.apply("test_permissions.yaml")
    mesh.expect(SEVERAL)


def test_controls(mesh):
    """A policy that is missing, or does the opposite, is noticed by one table."""
    mesh.apply("test_permissions.yaml")
    assert len(mesh.control(SEVERAL)) == 4
