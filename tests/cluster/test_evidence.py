"""What a cluster's proxies say: of a failure, of a request, and of themselves."""


def test_a_failure(shop, tests):
    """A wrong split fails, with exit status 1; pods, events, configurations and statistics are kept in the folder that the failure names."""
    tests.write(
        test_wrong="""
        from meshtest import GET, split

        def test_wrong(mesh, ingress):
            mesh.apply("canary.yaml")
            ingress.expect(GET("http://shop.example.com/reviews/0"), split(v1=20, v2=80, within=20))
        """
    )
    ended = tests.run()
    assert ended.status == 1, ended.text
    assert "VIOLATED" in ended.text
    [folder] = (tests.folder / "failures").iterdir()
    assert str(folder) in ended.text
    kept = {each.name: each.read_text() for each in folder.iterdir()}
    assert "  istio-proxy  running  ready, 0 restarts" in kept[f"pods-{shop}.txt"]
    assert "Pod/reviews-v1-" in kept[f"events-{shop}.txt"]
    of = {name.partition("-v1-")[0]: text for name, text in kept.items() if name.endswith(f".{shop}.config.json")}
    assert {"productpage", "reviews", "ratings"} <= set(of)
    assert '"outbound|9080|v2|reviews.' in of["productpage"]
    counted = next(
        text for name, text in kept.items() if name.startswith("reviews-v1-") and name.endswith(".stats.txt")
    )
    assert "downstream_rq_2xx" in counted
    assert any(name.startswith("istio-ingressgateway-") and name.endswith(".config.json") for name in kept)


def test_a_request(tests):
    """One through the gateway is in the logs of the gateway, the sidecar of reviews, and those of ratings, whom reviews v2 asks."""
    tests.write(
        test_logged="""
        def test_from_outside(mesh, ingress):
            mesh.apply("canary.yaml")
            answers = [ingress.get("http://shop.example.com/reviews/0") for _ in range(40)]
            answer = next(each for each in answers if each.json()["podname"].startswith("reviews-v2"))
            lines = mesh.access_log(answer)
            assert [each.proxy.split("-")[0] for each in lines] == ["istio", "reviews", "reviews", "ratings"], lines
            assert all(each.summary == "200 - via_upstream" for each in lines), lines
            assert all(each.attempts == 1 for each in lines[1:]), lines

        def test_from_a_workload(mesh):
            mesh.apply("canary.yaml")
            lines = mesh.access_log(mesh.workload("productpage-v1").get("http://ratings:9080/ratings/0"))
            assert [each.proxy.split("-")[0] for each in lines] == ["productpage", "ratings"], lines
        """
    )
    ended = tests.run()
    assert ended.status == 0, ended.text


def test_the_proxies(tests):
    """Hosts, statistics and readiness, of sidecars and of the gateway."""
    tests.write(
        test_asked="""
        def test_hosts(mesh):
            mesh.apply("canary.yaml")
            of_all = mesh.hosts("productpage-v1", "reviews", "")
            assert sorted(each.instance.rsplit("-", 2)[0] for each in of_all) == ["reviews-v1", "reviews-v2", "reviews-v3"]
            [second] = mesh.hosts("productpage-v1", "reviews", "v2")
            assert second.instance.startswith("reviews-v2-")
            assert second.healthy
            assert [each.instance for each in mesh.hosts("istio-ingressgateway", "reviews", "v2")] == [second.instance]

        def test_stats(mesh):
            mesh.apply("canary.yaml")
            asked = "http.inbound_0.0.0.0_9080;.downstream_rq_2xx"
            with mesh.watching("ratings-v1", asked) as change:
                for _ in range(7):
                    mesh.workload("productpage-v1").get("http://ratings:9080/ratings/0")
            assert change[asked] == 7, mesh.stats("ratings-v1", "http.*rq_2xx")
            assert mesh.stats("istio-ingressgateway", "server.live") == {"server.live": 1}

        def test_readiness(mesh):
            mesh.apply("canary.yaml")
            for name in ("reviews-v1", None):
                answers = mesh.readiness(name)
                assert set(answers.values()) == {200}
                assert all(each.startswith(name or "istio-ingressgateway") for each in answers)
        """
    )
    ended = tests.run()
    assert ended.status == 0, ended.text
