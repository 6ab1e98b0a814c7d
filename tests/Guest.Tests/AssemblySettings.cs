using ChannelSdk.Guest.Tests;

// A guest without KVM keeps a processor busy, and its test waits now and then. Three at a time are those of long installs and boots, by the
// collections that may run beside others; where a test measures or its lease is short, its collection runs alone.
[assembly: CollectionBehavior(MaxParallelThreads = 3)]
[assembly: TestCollectionOrderer(LongestFirst.Name, LongestFirst.Assembly)]
