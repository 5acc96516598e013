"""The audit under trainers, and the schedules in other libraries: one module for each library.

Each module needs its library, and none needs another's. Accelerate needs no module, because `audit`
takes its optimizers as they are; neither does optax, whose ``inject_hyperparams`` keeps the rate of
each update. The recipes show both.
"""
