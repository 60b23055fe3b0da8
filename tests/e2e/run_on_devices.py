"""`belka` in a process whose CPU counts as several devices: how many is the first argument, the rest is belka's."""

import sys

import tensorflow as tf

from belka.__main__ import main

if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(sys.argv.pop(1)))
    main()
