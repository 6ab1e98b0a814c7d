using ChannelSdk.Host.Info;

namespace ChannelSdk.Host.Watch;

/// <summary>What has changed in a guest, by its own word. Texts are escaped. The first one of a watch, and the first one of a new session, has all parts.</summary>
/// <param name="Network">Its network; null: as before.</param>
/// <param name="Users">Who is logged in; null: as before.</param>
/// <param name="Disks">Its disks; null: as before.</param>
/// <param name="State">What its agent does ("ready", "frozen" and others); null: as before.</param>
public sealed record GuestChange(NetworkInfo? Network, IReadOnlyList<UserInfo>? Users, IReadOnlyList<DiskInfo>? Disks, string? State);
