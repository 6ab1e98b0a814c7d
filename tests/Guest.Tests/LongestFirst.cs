using Xunit.Abstractions;
using Xunit.Sdk;

namespace ChannelSdk.Guest.Tests;

/// <summary>Starts the collections that take longest first, so that none of them runs on alone when all others have ended.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <summary>Its name, for the assembly's attribute.</summary>
    public const string Name = $"{Assembly}.{nameof(LongestFirst)}";

    /// <summary>Where it is.</summary>
    public const string Assembly = "ChannelSdk.Guest.Tests";

    private static readonly string[] s_long = ["packaged definitions", "appliance", "debian guest", "documents", "copies", "debian template"];

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(static collection => Array.IndexOf(s_long, collection.DisplayName) is >= 0 and var place ? place : s_long.Length);
}
