"""Helpers of the course, in the order of its flow.

    data -> preprocessing -> architecture -> training -> evaluation -> picture -> claim

A module imports only what stands to its left here:

    embedded | datasets | preprocessing | augmentation | architectures | complexity | profiling | transfer | training |
    parallel | evaluation | plots | drawings | claims | lessons | twins | address | exercises | backends | kernel |
    runner

``quiet`` stands outside the flow: a lesson imports it first. Nothing is imported here, so that
``import helpers.plots`` loads what plots need and no more.
"""
