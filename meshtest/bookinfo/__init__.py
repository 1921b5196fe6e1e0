"""Stand-ins for workloads, one process for a whole mesh: they answer as Bookinfo's images do, or echo.

``python -m meshtest.bookinfo`` takes its plan as JSON on standard input; see `meshtest.bookinfo.plan` and
`meshtest.bookinfo.control`.
``bookinfo.yaml`` beside this file holds the Services, ServiceAccounts and Deployments of the Bookinfo sample.
"""
