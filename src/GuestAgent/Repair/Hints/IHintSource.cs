namespace ChannelSdk.GuestAgent.Repair.Hints;

/// <summary>Something of the guest that looks another way in a copy.</summary>
internal interface IHintSource : IDisposable
{
    /// <summary>What the host is told of it (snapshot.proto).</summary>
    string Name { get; }

    /// <summary>Whether it has changed since the last look. It does not wait.</summary>
    bool HasChanged();
}
