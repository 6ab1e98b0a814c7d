using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Install.Personalization;

namespace ChannelSdk.Install.Data;

/// <summary>What the places of an operation's data are opened with.</summary>
/// <param name="Addresses">Which addresses the host connects to.</param>
/// <param name="Credentials">For the server of the data; stay the operation's.</param>
/// <param name="OnResource">Called for each file that a crash would leave behind, before it is made.</param>
internal sealed record DataMeans(ServerAddresses Addresses, PackageCredentials? Credentials, Action<LaunchResource> OnResource);
