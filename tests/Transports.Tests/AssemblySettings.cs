using System.Runtime.Versioning;
using Xunit;

[assembly: SupportedOSPlatform("linux")]

// The allocation tests count the whole process's bytes.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
