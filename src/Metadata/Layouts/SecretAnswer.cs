using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The OS parameters with the values of secrets, for requests that may have them.</summary>
internal sealed class SecretAnswer
{
    private readonly OsModel _os;

    public SecretAnswer(OsModel os)
    {
        _os = os;
        Secrets = [.. os.Parameters.Where(p => p.Value.Class == ParameterClass.Secret && p.Value.HasValue)];
        Full = With(_ => true);
    }

    /// <summary>The secrets that have a value.</summary>
    public IReadOnlyList<KeyValuePair<string, OsParameter>> Secrets { get; }

    /// <summary>With all of them.</summary>
    public Resource Full { get; }

    /// <summary>Whether each is given once.</summary>
    public bool IsOnce => _os.SecretAccess == SecretAccess.Once;

    /// <summary>With some of them, and null for the others.</summary>
    public Resource With(Func<OsParameter, bool> isShown) => new(GanetiLayout.Pairs(_os, isShown), Resource.Json);
}
