namespace ChannelSdk.Transports.Abstractions;

/// <summary>A transport that a URI can name.</summary>
/// <param name="Name">The URI scheme, in lower case.</param>
/// <param name="Form">What its target is.</param>
/// <param name="Example">An example for error texts.</param>
/// <param name="Make">Makes the endpoint. Opens nothing yet.</param>
/// <param name="IsGuests">Only a guest has it: a host's error texts do not offer it.</param>
public sealed record EndpointScheme(
    string Name, TargetForm Form, string Example, Func<EndpointUri, ITransportEndpoint> Make, bool IsGuests = false);
