namespace ChannelSdk.Transports.Faulty;

/// <summary>The faults of an endpoint's links, one after another. The same seed gives the same choices.</summary>
public sealed record FaultPlan
{
    /// <summary>No faults.</summary>
    public static FaultPlan None { get; } = new();

    /// <summary>The seed of all random choices.</summary>
    public int Seed { get; init; }

    /// <summary>The faults of the first links, in order.</summary>
    public IReadOnlyList<LinkFaults> Links { get; init; } = [];

    /// <summary>The faults of each link after those of <see cref="Links"/>.</summary>
    public LinkFaults Then { get; init; } = LinkFaults.None;

    internal LinkFaults For(int link) => link < Links.Count ? Links[link] : Then;

    internal int LongestReplay => Links.Append(Then).Max(faults => faults.ReplayBytes);

    internal void Validate()
    {
        foreach (var faults in Links.Append(Then))
        {
            faults.Validate();
        }
    }
}
