namespace ChannelSdk.GuestAgent.Watch;

/// <summary>Parts of what a guest tells of its changes.</summary>
[Flags]
internal enum ChangedFacts
{
    None = 0,
    Network = 1,
    Users = 2,
    Disks = 4,
    State = 8,
    All = Network | Users | Disks | State,
}
