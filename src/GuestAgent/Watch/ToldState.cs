using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.GuestAgent.Status;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Watch;

/// <summary>The state that a watcher was told last, to find the difference.</summary>
/// <param name="state">The agent's state word.</param>
internal sealed class ToldState(Func<StateWord> state)
{
    // A message has 256 KiB, of which the network may take 88.
    private const int MaxUserBytes = 48 << 10;
    private const int MaxDiskBytes = 48 << 10;

    private NetworkInfo? _network;
    private UserList? _users;
    private DiskList? _disks;
    private StateWord? _state;

    /// <summary>Whether the state word differs from the one told.</summary>
    public bool HasOtherState => state() != _state;

    /// <summary>Reads parts again; null if they are as they were told.</summary>
    public GuestChange? Next(ChangedFacts parts)
    {
        var change = new GuestChange();
        if (parts.HasFlag(ChangedFacts.Network) && NetworkFacts.Read().ToInfo() is var network && !network.Equals(_network))
        {
            change.Network = _network = network;
        }

        if (parts.HasFlag(ChangedFacts.Users) && Users() is var users && !users.Equals(_users))
        {
            change.Users = _users = users;
        }

        if (parts.HasFlag(ChangedFacts.Disks) && Disks() is var disks && !disks.Equals(_disks))
        {
            change.Disks = _disks = disks;
        }

        if (state() is var now && now != _state)
        {
            _state = now;
            change.State = StateNames.Of(now);
        }

        return change.CalculateSize() > 0 ? change : null;
    }

    private static UserList Users() => new() { Users = { LoginRecords.Load().Within(MaxUserBytes) } };

    private static DiskList Disks() => new() { Disks = { StorageFacts.Disks().Within(MaxDiskBytes) } };
}
