"""When `apply` returns the proxies obey."""


def test_the_next_requests_obey(tests):
    """All to v1, all to v2, and so on, fifty times: the next twenty requests from outside and from a sidecar find none but that version."""
    canary = (tests.folder / "canary.yaml").read_text()
    tests.write(
        v1=canary.replace("weight: 80", "weight: 100").replace("weight: 20", "weight: 0"),
        v2=canary.replace("weight: 80", "weight: 0").replace("weight: 20", "weight: 100"),
        test_obeyed="""
        from meshtest import GET

        def test_obeyed(mesh, ingress):
            ways = [(ingress, GET("http://shop.example.com/reviews/0"))]
            ways += [(mesh.workload("productpage-v1"), GET("http://reviews:9080/reviews/0"))]
            for number in range(50):
                version = ("v1", "v2")[number % 2]
                mesh.apply(f"{version}.yaml")
                for source, request in ways:
                    assert source.measure(request, 20).counts() == {version: 20}, (number, source)
        """,
    )
    ended = tests.run()
    assert ended.status == 0, ended.text
