using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Model;

/// <summary>Where and what the instance is.</summary>
public sealed record PlacementModel
{
    /// <summary>Zone; "nova" if none is given, as every client wants one.</summary>
    public string AvailabilityZone { get; init; } = "nova";

    /// <summary>Region; null: the zone is not within one.</summary>
    public string? Region { get; init; }

    /// <summary>Instance type or flavour.</summary>
    public string? InstanceType { get; init; }

    /// <summary>Image that it was made from.</summary>
    public string? ImageId { get; init; }

    /// <summary>Project or account that it belongs to.</summary>
    public string? ProjectId { get; init; }
}

/// <summary>The guest's network.</summary>
public sealed record NetworkModel
{
    /// <summary>Interfaces, in the order of the document.</summary>
    public IReadOnlyList<InterfaceModel> Interfaces { get; init; } = [];

    /// <summary>Addresses of name servers.</summary>
    public IReadOnlyList<string> Dns { get; init; } = [];

    /// <summary>Search domains.</summary>
    public IReadOnlyList<string> Search { get; init; } = [];
}

/// <summary>One network interface of the guest.</summary>
public sealed record InterfaceModel
{
    /// <summary>Its name in the guest, for instance eth0.</summary>
    public required string Name { get; init; }

    /// <summary>Six octets in lower-case hexadecimal with colons.</summary>
    public required string Mac { get; init; }

    /// <summary>Static addresses with their prefix length, for instance 192.0.2.5/24.</summary>
    public IReadOnlyList<System.Net.IPNetwork> Subnets { get; init; } = [];

    /// <summary>The addresses themselves, one for each of <see cref="Subnets"/>.</summary>
    public IReadOnlyList<System.Net.IPAddress> Addresses { get; init; } = [];

    /// <summary>IPv4 gateway.</summary>
    public System.Net.IPAddress? Gateway { get; init; }

    /// <summary>IPv6 gateway.</summary>
    public System.Net.IPAddress? Gateway6 { get; init; }

    /// <summary>Largest packet in bytes, 576 to 65535; null: the default of the guest.</summary>
    public int? Mtu { get; init; }

    /// <summary>True if the guest shall ask for its address by DHCP.</summary>
    public bool Dhcp { get; init; }
}

/// <summary>What only the EC2 face has.</summary>
public sealed record Ec2Model
{
    /// <summary>Whether a session token is wanted.</summary>
    public TokenUse Tokens { get; init; }

    /// <summary>More entries of meta-data: text is a leaf, an object a directory, for instance iam/security-credentials.</summary>
    public JsonObject? MetaData { get; init; }
}

/// <summary>A file for the guest.</summary>
/// <param name="Path">Absolute path in the guest.</param>
/// <param name="Content">Its bytes.</param>
public sealed record FileModel(string Path, ReadOnlyMemory<byte> Content);

/// <summary>What an OS install is given.</summary>
public sealed record OsModel
{
    /// <summary>Scripts that may be given to an instance: ganeti-metad's five, and the half that runs in an appliance.</summary>
    public static readonly IReadOnlyList<string> ScriptNames = ["create", "create_untrusted", "export", "import", "rename", "verify"];

    /// <summary>Name of the OS definition.</summary>
    public string? Name { get; init; }

    /// <summary>Parameters by name.</summary>
    public IReadOnlyDictionary<string, OsParameter> Parameters { get; init; } = new ReadOnlyOrderedDictionary<OsParameter>([]);

    /// <summary>When the instance gets the secret ones.</summary>
    public SecretAccess SecretAccess { get; init; }

    /// <summary>Scripts by name, one of <see cref="ScriptNames"/>.</summary>
    public IReadOnlyDictionary<string, string> Scripts { get; init; } = ReadOnlyOrderedDictionary.Empty;

    /// <summary>Absolute path on the host of the file behind <c>os/package</c>; null: there is none.</summary>
    public string? PackageFile { get; init; }
}
