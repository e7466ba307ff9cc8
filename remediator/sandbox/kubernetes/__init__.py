"""An emulated Kubernetes API server with its controllers and kubelets; `server.py` is the way in.

No client code belongs here, and nothing that a real cluster would not do by itself.
"""
