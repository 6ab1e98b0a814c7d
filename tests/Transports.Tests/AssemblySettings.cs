using Xunit;

// The allocation tests count the whole process's bytes.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
