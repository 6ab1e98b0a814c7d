using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>Pages of another domain that a process can map, once, by an open file of /dev/xen/gntdev.</summary>
/// <param name="File">The file.</param>
/// <param name="Index">Where they are in it.</param>
/// <param name="Pages">How many they are.</param>
internal readonly record struct PreparedGrants(SafeFd File, ulong Index, int Pages);
