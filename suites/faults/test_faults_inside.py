"""Faults inside the mesh: the caller's own sidecar makes them."""

from meshtest import GET, aborted

RATINGS = GET("http://ratings:9080/ratings/0")
HALF = aborted(500, percent=50, within=10)


def test_calls_of_a_workload(mesh):
    """A fault in a rule of the mesh holds for calls of workloads: half of productpage's to ratings are aborted."""
    mesh.apply("test_faults_inside.yaml")
    mesh.workload("productpage-v1").expect(RATINGS, HALF)


def test_calls_are_aborted_at_the_caller(mesh):
    """The callee sees only the calls that are not aborted, and answers them."""
    mesh.apply("test_faults_inside.yaml")
    ratings = mesh.workload("ratings-v1")
    before = ratings.seen()
    sample = mesh.workload("productpage-v1").measure(RATINGS, 60, causes=True)
    assert set(sample.summaries()) == {"500 FI fault_filter_abort", "200 - via_upstream"}
    assert (ratings.seen() - before).requests == sample.flags()["-"]


def test_controls(mesh):
    """Another share and another status are called VIOLATED."""
    mesh.apply("test_faults_inside.yaml")
    mesh.workload("productpage-v1").control(RATINGS, HALF)
