"""The story of the fleet as SimPy processes: what breaks, who notices, who is added or let go.

`begin` puts them together. They act on a `DataPlane` through the lives of its replicas (`lives`),
and write down what happens (`books`).
"""
