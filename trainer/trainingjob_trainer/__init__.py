"""What runs in the pods: a Lightning trainer whose only contract with the operator is the environment.

Nothing is imported here: a supervisor process, `prepare` and the tests must not pay seconds for torch.
"""
